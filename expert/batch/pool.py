"""Chunks through the kernel: in this process, or in several. Results come in the order of the chunks."""

import contextlib
import hashlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from expert import hints, recognition
from expert.batch import tally
from expert.batch.journal import pack
from expert.batch.kernel import ANSWER, Kernel, Layout, answer_schema, output_names
from expert.batch.sources import DATE, PLACE, TEXT
from expert.errors import KakekomiError
from expert.pipeline import Expert


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker has to know. `versions` are those of the parent's Expert: a worker that loads others must not go on."""

    layout: Layout
    samples: int
    versions: Mapping[str, str]


def versions(expert: Expert) -> dict[str, str]:
    """Everything that answers depend on: knowledge, model, and the code itself (a checkout changes without a new version)."""
    files = [*sorted(Path(__file__).parent.parent.rglob("*.py")), recognition.WEIGHTS, hints.WEIGHTS]
    code = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:12]
    return {**expert.versions, "program": f"{version('kakekomi')}+{code}"}


class Work:
    """One chunk in, one packed chunk (answers and counts) out."""

    def __init__(self, expert: Expert, job: Job) -> None:
        self._expert = expert
        self._job = job
        kept = (PLACE, TEXT)
        self._layout = job.layout
        self._kernel = Kernel(expert, _handing_on(job.layout, kept if job.samples else (PLACE,)))

    def __call__(self, chunk: pa.RecordBatch) -> bytes:
        """A chunk of records -> its answers and its tally, packed for the journal."""
        answered = self._kernel(chunk)
        facts = list(self._expert.knowledge.facts)
        inside = {PLACE, TEXT}
        names = output_names(
            [n for n in answered.schema.names[: chunk.num_columns] if n in chunk.schema.names and n not in inside], answer_schema(facts).names
        )
        counted = tally.count(answered, names, facts, chunk.column(DATE))
        if self._job.samples:
            columns = (answered.column(n).to_pylist() for n in (PLACE, TEXT, names["scenario"], names["needs_review"]))
            counted.wanted = self._job.samples
            counted.samples = tally.draw(zip(*columns, strict=True), counted.wanted)
        wanted = [ANSWER] if self._layout.json else [n for n in answered.schema.names if n not in inside]
        return pack(answered.select(wanted), counted)


def _handing_on(layout: Layout, names: Iterable[str]) -> Layout:
    return replace(layout, drop=tuple(n for n in layout.drop if n not in names))


def in_process(work: Work, chunks: Iterable[tuple[int, pa.RecordBatch]]) -> Iterator[tuple[int, int, bytes]]:
    """(number, rows, packed chunk) of each chunk, answered here."""
    for number, chunk in chunks:
        yield number, chunk.num_rows, work(chunk)


def in_workers(job: Job, workers: int, chunks: Iterable[tuple[int, pa.RecordBatch]]) -> Iterator[tuple[int, int, bytes]]:
    """The same, answered by `workers` processes, each with its own Expert; at most two chunks a worker are under way.

    Raises KakekomiError if a worker dies (for want of memory, mostly).
    """
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start, initargs=(job,))
    waiting: deque[tuple[int, int, Future[bytes]]] = deque()
    try:
        for number, chunk in chunks:
            with _interrupts_held():
                waiting.append((number, chunk.num_rows, pool.submit(_work, _to_bytes(chunk))))
            if len(waiting) >= 2 * workers:
                yield _taken(waiting)
        while waiting:
            yield _taken(waiting)
    except BrokenProcessPool as error:
        raise KakekomiError(
            "処理中のプロセスが落ちました(メモリ不足かもしれません)。--workers を減らし、--resume をつけて続けてください。"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _taken(waiting: deque[tuple[int, int, Future[bytes]]]) -> tuple[int, int, bytes]:
    number, rows, future = waiting.popleft()
    return number, rows, future.result()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started inside inherit a blocked Ctrl-C: only the parent answers it, and they end when it does."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ---- inside a worker ------------------------------------------------------------------------------------------------

_here: dict[str, Work] = {}


def _start(job: Job) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    expert = Expert.load()
    if versions(expert) != dict(job.versions):
        raise RuntimeError("rules, corpus or code changed since the parent process started")
    _here["work"] = Work(expert, job)


def _end_with_parent() -> None:
    """A parent that was killed cannot stop its workers: they watch it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(chunk: bytes) -> bytes:
    with pa.ipc.open_stream(chunk) as reader:
        return _here["work"](reader.read_next_batch())


def _to_bytes(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())
