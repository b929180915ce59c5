"""Print how the corpus is made up, and how well a reader does what the program is measured on: `python eval/corpus_figures.py`."""

from collections import Counter
from pathlib import Path

from expert import corpus, knowledge
from expert.corpus import Example

THIRD_READING = Path(__file__).parent / "third_reading.tsv"


def main() -> None:
    """Examples by scenario, writer, length and voice, for each split."""
    loaded = knowledge.load()
    for split in ("train", "test", "borders", "alarms", "unseen"):
        files = sorted((corpus.default_directory() / split).glob("*.jsonl"))
        examples = corpus.load(files, loaded.scenarios, loaded.facts)
        lengths = sorted(len(e.text) for e in examples)
        print(f"{split}: {len(examples)} examples, median {lengths[len(lengths) // 2]} characters, {sum(n > 250 for n in lengths)} over 250")
        _print_agreement(examples)
        _print("scenario", Counter(e.scenario for e in examples))
        _print("writer", Counter(e.writer for e in examples))
        for name in ("age", "register", "dialect", "channel"):
            _print(name, Counter(e.voice.get(name, "") for e in examples))
        _print("fact", Counter(f"{f}={v}" for e in examples for f, v in e.facts.items()))
        if split == "test":
            _print_third_reading(examples)


def _print_agreement(examples: list[Example]) -> None:
    read = [e for e in examples if e.second]
    same = sum(e.second == e.scenario for e in read)
    stated = [(f in _unsure_to_two(e)) for e in read for f in {*e.facts, *_unsure_to_two(e)}]
    alike = 1 - sum(stated) / max(len(stated), 1)
    print(f"  read twice: {len(read)}; the same scenario: {same / max(len(read), 1):.1%}; stated facts read alike: {alike:.1%}")


def _unsure_to_two(example: Example) -> set[str]:
    """The facts on which the first two readers differ."""
    return {*example.unsure_facts} - {*example.open_facts}


def _print_third_reading(test: list[Example]) -> None:
    """A third reader of the test split, who saw the definitions and the texts and nothing else, measured against what the first two agree on.

    Rows of id, scenario, accept, facts (`!` before a no, `?` before what a reader could say or not: taken as unstated here; `-`: none).
    """
    lines = THIRD_READING.read_text(encoding="utf-8").splitlines()
    read = {id_: (scenario, set(facts.split(","))) for id_, scenario, _, facts in (line.split("\t") for line in lines)}
    test = [e for e in test if e.id in read]
    same = sum(read[e.id][0] == e.scenario for e in test)
    accepted = sum(read[e.id][0] in (e.scenario, *e.accept) for e in test)
    said = {(e.id, f) for e in test for f in read[e.id][1] if f[0] not in "!?-" and f not in _unsure_to_two(e)}
    true = {(e.id, f) for e in test for f, value in e.facts.items() if value == "yes" and f not in _unsure_to_two(e)}
    f1 = 2 * len(said & true) / (len(said) + len(true))
    shares = f"the same scenario {same / len(test):.1%}, with accept {accepted / len(test):.1%}"
    print(f"third reading of {len(test)} of the test split: {shares}; F1 of yes {f1:.3f}")


def _print(name: str, counts: Counter[str]) -> None:
    print(f"  {name}: " + ", ".join(f"{key} {n}" for key, n in counts.most_common(50)))


if __name__ == "__main__":
    main()
