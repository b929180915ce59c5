"""Speed and memory, measured side by side in one run: machines are noisy, so what counts are ratios and medians.

make bench, or python eval/speed.py [--million] [--only SECTION …] [--ginza-python PYTHON]   writes eval/README.md between the markers
"""

import argparse
import datetime
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
from sudachipy import Dictionary, SplitMode

from eval import bulk, peers
from eval.peers import Rows, seconds
from expert import explanation, matcher
from expert.batch.kernel import Kernel, Layout
from expert.pipeline import Expert

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- speed -->", "<!-- /speed -->"
ROUNDS, FEW = 7, 3
Section = Callable[[Expert, list[str], argparse.Namespace], Rows]


def corpus_texts() -> list[str]:
    """The training texts in an order that is the same in every run."""
    files = sorted((ROOT / "corpus" / "train").glob("*.jsonl"))
    texts = [json.loads(line)["text"] for file in files for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    random.Random(0).shuffle(texts)
    return texts


def process_seconds(code: str, *arguments: str) -> float:
    """How long a fresh Python takes for some code."""
    return seconds(lambda: subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True))


# ---- one case -------------------------------------------------------------------------------------------------------


def cold(_: Expert, texts: list[str], __: argparse.Namespace) -> Rows:
    """A new process that answers, against one that only imports; alternating."""
    ask = "from expert.cli import main; main()"
    process_seconds(ask, "ask", "--json", texts[0])
    pairs = [(process_seconds("import sklearn, sudachipy"), process_seconds(ask, "ask", "--json", texts[0])) for _ in range(ROUNDS)]
    bare, asked = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    return [
        ("`import sklearn, sudachipy`, nothing else", f"{bare:.2f} s"),
        ("`kakekomi ask --json`, cold", f"{asked:.2f} s"),
        ("ratio (target: at most 2)", f"{ratio:.2f}"),
    ]


_TRAIN = """
import time
from expert.pipeline import Expert
begun = []
Expert.load(on_training=lambda: begun.append(time.perf_counter()))
print(time.perf_counter() - begun[0])
"""


def training(_: Expert, texts: list[str], __: argparse.Namespace) -> Rows:
    """New processes without a cache: how long one trains, and how long it takes until one has answered."""

    def uncached(code: str, *arguments: str) -> str:
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, "-c", code, *arguments]
            return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "KAKEKOMI_CACHE": cache}).stdout

    trained = [float(uncached(_TRAIN)) for _ in range(FEW)]
    answered = [seconds(lambda: uncached("from expert.cli import main; main()", "ask", "--json", texts[0])) for _ in range(FEW)]
    return [
        ("training from the whole corpus (target: under 20 s)", f"{statistics.median(trained):.1f} s"),
        ("the first answer of a new installation", f"{statistics.median(answered):.1f} s"),
    ]


def warm(expert: Expert, texts: list[str], _: argparse.Namespace) -> Rows:
    """Complaints of about 100 characters, questions included, no remembered decision helping."""
    chosen = [t for t in texts if 90 <= len(t) <= 110][:300]
    times = []
    for text in chosen:
        peers.forget(expert)
        times.append(1000 * seconds(partial(expert.ask, text)))
    ordered = sorted(times)
    return [
        (
            f"one warm complaint of 90 to 110 characters with questions, median of {len(chosen)} (target: under 10 ms)",
            f"{ordered[len(ordered) // 2]:.2f} ms",
        ),
        ("the same, 95th percentile", f"{ordered[len(ordered) * 95 // 100]:.2f} ms"),
    ]


# ---- many cases -----------------------------------------------------------------------------------------------------


def throughput(expert: Expert, texts: list[str], _: argparse.Namespace) -> Rows:
    """The kernel on one core against Sudachi alone, round by round over the same texts."""
    sudachi, layouts = Dictionary(dict="core").tokenizer(mode=SplitMode.C), [Layout(id="id", json=json) for json in (False, True)]
    kernels = [Kernel(expert, layout) for layout in layouts]

    def works(some: list[str]) -> list[Callable[[], object]]:
        batch = pa.RecordBatch.from_pydict({"id": [str(i) for i in range(len(some))], "text": some})
        return [
            *(partial(alone, sudachi, some) for alone in _ALONE),
            lambda: [expert.tokenizer.tokenize(t) for t in some],
            *(partial(kernel, batch) for kernel in kernels),
        ]

    of_batches = list(map(works, _cut(texts[:3000], 1000)))
    for work in chain(*of_batches):
        work()
    # batch by batch, so that what is compared stands next to each other in time
    rounds = [[seconds(work) for work in of_batch] for _ in range(ROUNDS) for of_batch in of_batches]
    rates = [1000 / statistics.median(column) for column in zip(*rounds, strict=True)]
    length = statistics.mean(map(len, texts[:3000]))

    return [
        (f"Sudachi alone (mode C, all fields), no morpheme read; texts of {length:.0f} characters", f"{rates[0]:,.0f} texts/s"),
        ("Sudachi alone, the surface of each morpheme read", f"{rates[1]:,.0f} texts/s"),
        ("Sudachi alone, of each morpheme its normalized form, part of speech, begin and end read", f"{rates[2]:,.0f} texts/s"),
        ("this project's tokenizer (folding, offsets, only the fields that are read)", f"{rates[3]:,.0f} texts/s, {_of_sudachi(rounds, 3)}"),
        ("batch kernel on one core, table columns (target: at least 0.5 of Sudachi)", f"{rates[4]:,.0f} texts/s, {_of_sudachi(rounds, 4)}"),
        ("batch kernel on one core, with JSON answers", f"{rates[5]:,.0f} texts/s, {_of_sudachi(rounds, 5)}"),
    ]


def _of_sudachi(rounds: Sequence[Sequence[float]], i: int) -> str:
    """The rate of the `i`-th work of each round as a share of the rates of the first three, Sudachi alone: medians."""
    unread, surfaces, read = (statistics.median(r[base] / r[i] for r in rounds) for base in range(3))
    return f"**{surfaces:.2f}** of Sudachi with surfaces read, **{unread:.2f}** unread, **{read:.2f}** with all read"


_WARMING = 33
"""Thousands of other texts first, as a long batch has them behind it."""


def unseen(expert: Expert, texts: list[str], _: argparse.Namespace) -> Rows:
    """The same with texts of which none has occurred before: what the rules make of them is remembered only where another text came to the same."""
    sudachi, kernel = Dictionary(dict="core").tokenizer(mode=SplitMode.C), Kernel(expert, Layout())
    peers.forget(expert)
    warming, *measured = texts[: _WARMING * 1000], *_cut(texts[_WARMING * 1000 : (_WARMING + 3 * ROUNDS) * 1000], 1000)
    for some in _cut(warming, 1000):
        kernel(pa.RecordBatch.from_pydict({"text": some}))
    runs, rounds = expert.engine.runs, []
    for some in measured:
        batch = pa.RecordBatch.from_pydict({"text": some})
        rounds.append([*(seconds(partial(alone, sudachi, some)) for alone in _ALONE), seconds(partial(kernel, batch))])
    unread, surfaces, read, answered = (1000 / statistics.median(column) for column in zip(*rounds, strict=True))
    return [
        (f"Sudachi alone, no morpheme read; corpus texts, each new, after {1000 * _WARMING:,} others", f"{unread:,.0f} texts/s"),
        ("Sudachi alone, the surface of each morpheme read", f"{surfaces:,.0f} texts/s"),
        ("Sudachi alone, of each morpheme its normalized form, part of speech, begin and end read", f"{read:,.0f} texts/s"),
        ("batch kernel on one core, table columns", f"{answered:,.0f} texts/s, {_of_sudachi(rounds, 3)}"),
        ("stages of the engine run for them (each text asks for two)", f"{(expert.engine.runs - runs) / (1000 * len(measured)):.3f} a text"),
    ]


def _tokenized(sudachi: Any, texts: Sequence[str]) -> list[list[Any]]:
    return [list(sudachi.tokenize(text)) for text in texts]


def _words(sudachi: Any, texts: Sequence[str]) -> list[list[str]]:
    return [[m.surface() for m in sudachi.tokenize(text)] for text in texts]


def _all_told(sudachi: Any, texts: Sequence[str]) -> list[list[tuple[object, ...]]]:
    return [[_told(m) for m in sudachi.tokenize(text)] for text in texts]


_ALONE = (_tokenized, _words, _all_told)
"""Sudachi alone: a list that nobody reads (it decodes a morpheme when it is asked), the words, all that this project needs."""


def _told(morpheme: Any) -> tuple[object, ...]:
    return morpheme.normalized_form(), morpheme.part_of_speech_id(), morpheme.begin(), morpheme.end()


def _cut(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(texts), size):
        yield list(texts[start : start + size])


def profile(expert: Expert, texts: list[str], _: argparse.Namespace) -> Rows:
    """Each step over all texts, the results of one being the input of the next; the decisions are remembered from a first pass."""
    e, some = expert, texts[:3000]
    kernel = Kernel(e, Layout(id="id"))
    batches = [pa.RecordBatch.from_pydict({"id": ["x"] * len(b), "text": b}) for b in _cut(some, 1000)]
    total = seconds(lambda: [kernel(b) for b in batches])
    spent: dict[str, float] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        spent[name] = time.perf_counter() - start
        return result

    tokens = step("tokens (Sudachi, folding)", lambda: [e.tokenizer.tokenize(t) for t in some])
    mentions = step("matcher", lambda: e.matcher.match(tokens))
    pairs = list(zip(mentions, tokens, strict=True))
    facts = step("assertion", lambda: [e.assertion.determine(m, t) for m, t in pairs])
    rows = list(zip(tokens, mentions, facts, strict=True))
    step("attributes", lambda: [e.attributes.read(*row) for row in rows])
    step("classifier (features and scores)", lambda: [e.scorer.read(tokens[i : i + 1000]) for i in range(0, len(tokens), 1000)])
    understood = e.understand_all(some)
    answers = step("rules (remembered) and answer", lambda: [e.answer(u, questions=False) for u in understood])
    encoder = explanation.Encoder()
    list(map(encoder.encode, answers))
    step("JSON (only for JSONL)", lambda: list(map(encoder.encode, answers)))
    whole = sum(spent.values())
    lines = [(f"… {name}", f"{1e6 * s / len(some):.0f} µs a text, {s / whole:.0%}") for name, s in spent.items()]
    return [("kernel as a whole, table columns", f"{1e6 * total / len(some):.0f} µs a text"), *lines]


# ---- the page -------------------------------------------------------------------------------------------------------

SECTIONS: dict[str, tuple[str, Section]] = {
    "cold": ("Cold start", cold),
    "training": ("Training", training),
    "warm": ("One warm complaint", warm),
    "throughput": ("Throughput", throughput),
    "unseen": ("Throughput where every text is new", unseen),
    "profile": ("Where the time goes", profile),
    "workers": ("Two workers", bulk.workers),
    "ginza": ("Peer: GiNZA", peers.ginza),
    "clips": ("Peer: CLIPS", peers.clips),
    "memory": ("Memory", bulk.memory),
    "million": ("A million rows", bulk.million),
}


def main() -> None:
    """Measure the sections, and write them between the markers of eval/README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="also the file of a million rows")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of that file")
    parser.add_argument("--workers", type=int, default=2, help="processes for it")
    parser.add_argument("--folder", type=Path, help="where that file may lie (some 3 GB)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections alone; nothing is written")
    parser.add_argument("--ginza-python", default=sys.executable, help="a Python that has ginza and ja_ginza")
    given = parser.parse_args()
    expert, texts = Expert.load(), corpus_texts()
    parts = [_head(expert)]
    for name, (title, section) in SECTIONS.items():
        if (given.only is None or name in given.only) and (rows := section(expert, texts, given)):
            parts.append("\n".join([f"### {title}", "", "| | |", "| --- | ---: |", *(f"| {a} | {b} |" for a, b in rows)]))
            print(parts[-1] + "\n", flush=True)
    if given.only is None:
        _write("\n\n".join(parts), keep=not given.million)


def _head(expert: Expert) -> str:
    when = datetime.date.today().isoformat()
    compiled = "compiled" if matcher.__file__.endswith((".so", ".pyd")) else "not compiled"
    python = f"Python {platform.python_version()}, busiest modules {compiled}, {os.cpu_count()} cores of {platform.machine()}"
    return f"Measured on {when} by `make bench` ({python}; knowledge {expert.versions['knowledge']}). Ratios are medians over rounds of one run."


def _write(text: str, *, keep: bool) -> None:
    """Between the markers, which are added at the end of the page where they are missing. `keep` the last million rows: they take an hour."""
    page = ROOT / "eval" / "README.md"
    before = page.read_text(encoding="utf-8")
    if BEGIN not in before:
        before = f"{before.rstrip()}\n\n## Speed\n\n{BEGIN}\n{END}\n"
    head, rest = before.split(BEGIN, 1)
    old, tail = rest.split(END, 1)
    kept = [part for part in old.split("\n\n### ") if keep and part.startswith(SECTIONS["million"][0])]
    text = "\n\n### ".join([text, *(part.strip() for part in kept)])
    page.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
