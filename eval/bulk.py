"""Long runs for `speed.py`: two processes against one, memory over 100,000 cases, a file of a million rows."""

import argparse
import csv
import datetime
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from eval.peers import Rows
from expert.batch.runner import Listener, Request, run
from expert.batch.sources import Options
from expert.pipeline import Expert

_WARM_UP, _CHUNK = 12_000, 500
"""Rows before a rate is taken, and rows at once."""


def resident(pids: Sequence[int] = ()) -> float:
    """Megabytes in memory of this process, or of the given ones together."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids or [os.getpid()])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def children() -> list[int]:
    """Process ids of the worker processes (Linux)."""
    return [int(p) for p in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def memory(expert: Expert, texts: list[str], _: argparse.Namespace) -> Rows:
    """100,000 cases through one Expert in one process."""
    marks = []
    for i in range(100_000):
        expert.ask(_perturbed(texts, i), questions=False)
        if i + 1 in (20_000, 60_000, 100_000):
            marks.append(resident())
    return [("memory after 20,000 / 60,000 / 100,000 cases in one process", " / ".join(f"{m:.0f} MB" for m in marks))]


def _perturbed(texts: Sequence[str], i: int) -> str:
    """A corpus text that has not occurred before: another sum, and the first sentence of another text behind it."""
    drawn = random.Random(i)
    text, other = drawn.choice(texts), drawn.choice(texts)
    return f"{text}{other.split('。')[0][:30]}。{drawn.randrange(1, 999)}日前、{drawn.randrange(1, 900)}千円。"


def _file(folder: Path, texts: list[str], rows: int) -> Path:
    file = folder / "in.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["番号", "受付日", "相談内容"])
        out.writerows((i, f"2025-{i % 12 + 1:02}-01", _perturbed(texts, i)) for i in range(rows))
    return file


def workers(_: Expert, texts: list[str], __: argparse.Namespace) -> Rows:
    """The whole batch with one and two processes, each with a new Expert, alternating; the rate counts after the first 12,000 rows.

    Until then each process compiles patterns and makes rule sets as they are first needed, which a year of logs does not notice.
    """
    bare = [(_tokenizing(texts[:6000], 1), _tokenizing(texts[:6000], 2)) for _round in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        source = _file(Path(folder), texts, _WARM_UP + 24_000)
        rates: list[list[float]] = [[], []]
        for _round in range(3):
            for i in (0, 1):
                rates[i].append(_steady_rate(source, i + 1))
    one, two = map(statistics.median, rates)
    ratio = statistics.median(b / a for a, b in zip(*rates, strict=True))
    return [
        ("whole `batch`, CSV to CSV, one process", f"{one:,.0f} rows/s"),
        ("two processes that only tokenize against one: what this machine allows", f"{statistics.median(2 * a / b for a, b in bare):.2f} times"),
        (f"two workers ({os.cpu_count()} cores; target: at least 1.7 times)", f"{two:,.0f} rows/s, **{ratio:.2f} times**"),
    ]


_TOKENIZE = """
import json, sys, time
from sudachipy import Dictionary, SplitMode
texts, sudachi = json.load(sys.stdin), Dictionary(dict="core").create(mode=SplitMode.C)
start = time.perf_counter()
for _ in range(3):
    for t in texts: list(sudachi.tokenize(t))
print(time.perf_counter() - start)
"""


def _tokenizing(texts: list[str], count: int) -> float:
    """Seconds that `count` processes at once need for all the texts each."""
    command, given = [sys.executable, "-c", _TOKENIZE], json.dumps(texts)
    with ThreadPoolExecutor(count) as threads:
        done = threads.map(lambda _: subprocess.run(command, input=given, capture_output=True, text=True, check=True), range(count))
        return max(float(process.stdout) for process in done)


def _steady_rate(source: Path, workers: int) -> float:
    times: list[tuple[float, int]] = []
    listener = Listener(answered=lambda rows: times.append((time.perf_counter(), rows)))
    output = source.with_name("out.csv")
    run(Expert.load, Request((source,), output, Options(chunk_rows=_CHUNK), workers=workers, force=True), listener)
    first = _WARM_UP // _CHUNK
    return sum(rows for _, rows in times[first:]) / (times[-1][0] - times[first - 1][0])


Mark = tuple[int, float, float]
"""Rows answered, the time then, megabytes of all processes of the run."""


def million(_: Expert, texts: list[str], given: argparse.Namespace) -> Rows:
    """A file of a million rows, in a process of its own that has done nothing else; only with --million."""
    if not given.million:
        return []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        source = _file(Path(folder), texts, given.rows)
        start = time.perf_counter()
        marks = alone.submit(_marked, Request((source,), Path(folder) / "out.parquet", workers=given.workers)).result()
        whole = time.perf_counter() - start
    tenths = [[mark for mark in marks if i < 10 * mark[0] / given.rows <= i + 1] for i in range(10)]
    rates = [(b[-1][0] - a[-1][0]) / (b[-1][1] - a[-1][1]) for a, b in pairwise(tenths)]
    memory = [statistics.median(megabytes for _, _, megabytes in tenth) for tenth in tenths]
    return [
        (
            f"{given.rows:,} rows ({datetime.date.today().isoformat()}), CSV to Parquet, {given.workers} workers",
            f"{whole / 60:.1f} min ({given.rows / whole:,.0f} rows/s)",
        ),
        ("rate of each tenth from the second on", " ".join(f"{r:,.0f}" for r in rates) + " rows/s"),
        ("memory of all processes in each tenth (median of a reading a chunk)", " / ".join(f"{m:.0f}" for m in memory) + " MB"),
        ("most of all readings", f"{max(megabytes for _, _, megabytes in marks):.0f} MB"),
        ("growth from the second tenth to the last (target: under 50 MB)", f"**{memory[9] - memory[1]:+.0f} MB**"),
    ]


def _marked(request: Request) -> list[Mark]:
    """A mark for each chunk of a run. Raises RuntimeError unless every row is in the output."""
    marks: list[Mark] = []

    def answered(rows: int) -> None:
        marks.append(((marks[-1][0] if marks else 0) + rows, time.perf_counter(), resident([os.getpid(), *children()])))

    tally = run(Expert.load, request, Listener(answered=answered))
    if not marks or tally.rows != marks[-1][0]:
        raise RuntimeError(f"{tally.rows} rows written")
    return marks
