"""Measure the project and its baselines on the same splits and write the tables into eval/README.md.

    make eval                                          # the test split of the corpus, and its borders
    python eval/accuracy.py cases.jsonl probes.jsonl   # further labelled files, or one-fact probes (id, text, fact, value)

Everything is trained on corpus/train and nothing else. Every figure in the README comes from one run of this file.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from eval.baselines import Guess, Guesses, Method, Texts, methods, own, part, project, read, say, train_on
from expert import corpus, evaluation, metrics
from expert.corpus import Example
from expert.evaluation import Evaluation, Outcome
from expert.metrics import Interval
from expert.pipeline import Expert

README = Path(__file__).parent / "README.md"
OPENING, CLOSING = "<!-- figures -->", "<!-- /figures -->"
HELD_OUT = {"test split": "test", "borders": "borders", "alarms": "alarms", "unseen": "unseen"}
"""Directories of the corpus that are never trained on."""
BY_WRITER = ("test split", "unseen")
"""Splits that are shown writer by writer."""
SAFETY = ("danger_missed", "paid_wrongly_yes", "bank_or_card_call_missed", "forbidden_advice")
"""What costs somebody money or more, as `evaluation` names it."""
SHARES = (1 / 8, 1 / 4, 1 / 2)


# ---- the learning curve ---------------------------------------------------------------------------------------------


def curve(expert: Expert, train: Texts, splits: Sequence[Texts]) -> list[list[str]]:
    """The learning curve: trained on ever larger shares of the corpus, one row a share."""
    rows = []
    for share in SHARES:
        some = part(train, share)
        say(f"学習曲線: {len(some.examples)}件")
        guess = project(expert, train_on(some, own))
        rows.append([str(len(some.examples)), *(_hits_at_1(split, guess) for split in splits)])
    whole = project(expert, expert.model)
    return [*rows, [str(len(train.examples)), *(_hits_at_1(split, whole) for split in splits)]]


def _hits_at_1(split: Texts, guess: Guesses) -> str:
    return interval(metrics.mean_interval([first == label for (first, _, _), label in zip(guess(split), split.labels, strict=True)]))


# ---- tables ---------------------------------------------------------------------------------------------------------


def scenario_table(split: Texts, rows: Iterable[Method]) -> list[str]:
    """A row a method: its hits on a split, with intervals."""
    head = ["", "hits@1", "hits@1 with accept", "hits@2", "macro-F1", "ECE"]
    return markdown(head, [[m.name, *(_row(split, m.guess(split)) if m.guess else ["not installed", *["–"] * 4])] for m in rows])


def _row(split: Texts, guesses: list[Guess]) -> list[str]:
    outcomes = [_outcome(example, guess) for example, guess in zip(split.examples, guesses, strict=True)]
    hits = evaluation.hits(outcomes)
    sure = [confidence for _, _, confidence in guesses if confidence is not None]
    ece = f"{metrics.calibration(sure, [o.hit for o in outcomes]).ece:.3f}" if sure else "–"
    return [*(interval(hits[name]) for name in ("hits_at_1", "hits_at_1_accept", "hits_at_2", "macro_f1")), ece]


def _outcome(example: Example, guess: Guess) -> Outcome:
    first, second, confidence = guess
    return Outcome(example.id, example.scenario, example.accept, first, second, confidence or 0.0, False, {}, {}, (), (), (), ())


def project_table(results: Sequence[Evaluation]) -> list[str]:
    """What only the project has: calibration, review, facts, advice, safety."""
    figures: list[tuple[str, Callable[[Evaluation], str]]] = [
        ("cases", lambda r: str(len(r.outcomes))),
        ("hits@1 without the least sure tenth", lambda r: share(r.without_tenth.kept)),
        ("share sent to review (needs_review)", lambda r: share(r.at_flag.reviewed)),
        ("hits@1 of what is kept then", lambda r: share(r.at_flag.kept)),
        ("facts: F1 of yes (micro)", lambda r: share(r.all_facts.f1)),
        ("facts: precision / recall", lambda r: f"{share(r.all_facts.precision)} / {share(r.all_facts.recall)}"),
        ("facts: no read as no", lambda r: share(r.all_facts.no_accuracy)),
        ("facts: false yes", lambda r: share(r.all_facts.false_yes_rate)),
        ("required advice given", lambda r: f"{share(r.advice.recall)} ({r.advice.given}/{r.advice.required})"),
        *((name.replace("_", " "), _dangerous(name)) for name in results[0].safety),
    ]
    return markdown(["", *(r.name for r in results)], [[name, *map(figure, results)] for name, figure in figures])


def _dangerous(name: str) -> Callable[[Evaluation], str]:
    return lambda result: f"{len(result.safety[name].cases)} of {result.safety[name].of}"


def fact_table(results: Sequence[Evaluation]) -> list[str]:
    """A row a fact, five columns a split."""
    head = ["fact", *(f"{r.name}: {column}" for r in results for column in ("yes cases", "precision", "recall", "F1", "false yes"))]
    return markdown(head, [[fact, *(cell for r in results for cell in _fact(r, fact))] for fact in results[0].facts])


def _fact(result: Evaluation, fact: str) -> list[str]:
    score = result.facts[fact]
    return [str(score.true_yes + score.missed_yes), *map(share, (score.precision, score.recall, score.f1, score.false_yes_rate))]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, with an empty one before and after."""
    return ["", *("| " + " | ".join(row) + " |" for row in [head, ["---", *["---:"] * (len(head) - 1)], *rows]), ""]


def interval(found: Interval) -> str:
    """A figure with its bootstrap interval."""
    return f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"


def share(value: float | None) -> str:
    """Three places; – where there was nothing to divide by."""
    return "–" if value is None else f"{value:.3f}"


# ---- the run --------------------------------------------------------------------------------------------------------


def probes(file: Path) -> list[Mapping[str, str]]:
    """The rows of a file of one-fact probes; empty for any other file."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line.strip()] if file.is_file() else []
    return rows if rows and all({"text", "fact", "value"} <= set(row) for row in rows) else []


def probe_line(expert: Expert, name: str, rows: Sequence[Mapping[str, str]]) -> str:
    """How many one-fact probes come out right, as a sentence."""
    read_as = [{f.id: f.value for f in expert.understand(row["text"]).facts} for row in rows]
    right = [facts.get(row["fact"], "unknown") == row["value"] for row, facts in zip(rows, read_as, strict=True)]
    return f"One-fact probes in {name}: {sum(right)} of {len(right)} right, {interval(metrics.mean_interval(right))}."


def measure(files: Sequence[Path], ginza_python: str) -> list[str]:
    """The lines between the markers."""
    expert = Expert.load(on_training=lambda: say("学習: kakekomi"))
    kb = expert.knowledge
    train = read(expert, "train", corpus.load(corpus.training_files(), kb.scenarios, kb.facts))
    probing = {file: probed for file in files if (probed := probes(file))}
    held_out = [(name, sorted((corpus.default_directory() / directory).glob("*.jsonl"))) for name, directory in HELD_OUT.items()]
    sources = [*held_out, *((file.name, [file]) for file in files if file not in probing)]
    splits = [read(expert, name, corpus.load(given, kb.scenarios, kb.facts)) for name, given in sources]
    results = [evaluation.evaluate(evaluation.run(expert, s.examples), expert, s.name) for s in splits]
    rows = methods(expert, train, ginza_python)
    sizes = ", ".join(f"{len(s.examples)} in {s.name}" for s in splits)
    out = [f"Measured on {datetime.date.today()} with knowledge {kb.version}; {len(train.examples)} training examples, {sizes}.", ""]
    for split in splits:
        say(f"表: {split.name}")
        out += [f"### Scenario: {split.name}", *scenario_table(split, rows)]
    two_readers = [
        _by_two_readers(expert, split, result) for split, result in zip(splits, results, strict=True) if any(e.open_facts for e in split.examples)
    ]
    out += ["### Facts, advice, safety", *project_table([*results, *two_readers]), *(probe_line(expert, f.name, r) for f, r in probing.items())]
    for split, result in zip(splits, results, strict=True):
        if split.name in BY_WRITER:
            out += ["", f"### By writer: {split.name}", *writer_table(expert, split, result)]
    out += ["### Each fact", *fact_table(results)]
    return [*out, "### Learning curve (hits@1)", *markdown(["training examples", *(s.name for s in splits)], curve(expert, train, splits))]


def _by_two_readers(expert: Expert, split: Texts, result: Evaluation) -> Evaluation:
    """The same with the facts on which a third reader alone differs measured as well."""
    open_facts = {example.id: example.open_facts for example in split.examples}
    outcomes = [replace(o, unsure_facts=tuple(f for f in o.unsure_facts if f not in open_facts[o.id])) for o in result.outcomes]
    return evaluation.evaluate(outcomes, expert, f"{split.name}, two readers")


def writer_table(expert: Expert, split: Texts, result: Evaluation) -> list[str]:
    """What each writer's cases give: how far one figure depends on who wrote them."""
    rows = []
    for writer in dict.fromkeys(e.writer for e in split.examples):
        ids = {e.id for e in split.examples if e.writer == writer}
        of_writer = evaluation.evaluate([o for o in result.outcomes if o.id in ids], expert, writer)
        hits, safety = evaluation.hits(of_writer.outcomes), of_writer.safety
        hit = [f"{hits[name].value:.3f}" for name in ("hits_at_1", "hits_at_1_accept", "hits_at_2")]
        missed = [f"{len(safety[name].cases)} of {safety[name].of}" for name in SAFETY]
        rows.append([writer, str(len(ids)), *hit, f"{of_writer.without_tenth.kept:.3f}", f"{of_writer.all_facts.f1:.3f}", *missed])
    names = ["writer", "cases", "hits@1", "with accept", "hits@2", "least sure tenth left out", "facts: F1 of yes"]
    return markdown([*names, *(name.replace("_", " ") for name in SAFETY)], rows)


def replaced(text: str, figures: Sequence[str]) -> str:
    """`text` with `figures` between the markers. Raises ValueError where the markers are missing."""
    before, opening, rest = text.partition(OPENING)
    _, closing, after = rest.partition(CLOSING)
    if not opening or not closing:
        raise ValueError(f"{README.name} に {OPENING} と {CLOSING} がありません。この二つの間に表を書きます。")
    return "\n".join([before + opening, "", *figures, closing + after])


def main() -> None:
    """Measure, and write the tables between the markers of eval/README.md."""
    parser = argparse.ArgumentParser(description="Measure accuracy against the baselines and write the tables into eval/README.md.")
    parser.add_argument("files", nargs="*", type=Path, help="further labelled files (JSONL), or one-fact probes")
    parser.add_argument("--ginza-python", default=sys.executable, help="a Python that has ginza and ja_ginza")
    given = parser.parse_args()
    figures = measure(given.files, given.ginza_python)
    README.write_text(replaced(README.read_text(encoding="utf-8"), figures), encoding="utf-8")
    say(f"{README} に書きました。")


if __name__ == "__main__":
    main()
