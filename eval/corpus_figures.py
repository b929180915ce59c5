"""Print how the corpus is made up: `python eval/corpus_figures.py`."""

from collections import Counter

from expert import corpus, knowledge
from expert.corpus import Example


def main() -> None:
    """Examples by scenario, writer, length and voice, for each split."""
    loaded = knowledge.load()
    for split in ("train", "test"):
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


def _print_agreement(examples: list[Example]) -> None:
    read = [e for e in examples if e.second]
    same = sum(e.second == e.scenario for e in read)
    stated = [(f in e.unsure_facts) for e in read for f in {*e.facts, *e.unsure_facts}]
    alike = 1 - sum(stated) / max(len(stated), 1)
    print(f"  read twice: {len(read)}; the same scenario: {same / max(len(read), 1):.1%}; stated facts read alike: {alike:.1%}")


def _print(name: str, counts: Counter[str]) -> None:
    print(f"  {name}: " + ", ".join(f"{key} {n}" for key, n in counts.most_common(50)))


if __name__ == "__main__":
    main()
