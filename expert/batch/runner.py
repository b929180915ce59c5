"""A whole batch: look at the input, answer it chunk by chunk (again from where a killed run stopped), put the output together."""

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from expert.batch import encodings, masking, pool, report, sources, writers
from expert.batch.journal import Journal, disk_errors
from expert.batch.kernel import ANSWER, answer_schema, output_names, output_schema
from expert.batch.sources import Source
from expert.batch.tally import Tally
from expert.errors import InputError, KakekomiError
from expert.pipeline import Expert

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for. `workers` 1 answers in this process; `samples` rows (with their text) go into the report."""

    inputs: tuple[Path, ...]
    output: Path
    reading: sources.Options = field(default_factory=sources.Options)
    output_encoding: str | None = None
    mask: bool = False
    workers: int = 1
    resume: bool = False
    force: bool = False
    report: Path | None = None
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a run tells what it does: a remark; the rows it expects and those found done; rows answered; rows written."""

    note: Callable[[str], None] = lambda _: None
    start: Callable[[int, int], None] = lambda _total, _done: None
    answered: Callable[[int], None] = lambda _: None
    written: Callable[[int], None] = lambda _: None


def run(load: Callable[[], Expert], request: Request, listener: Listener | None = None) -> Tally:
    """Answer the input. The output appears under its name only when it is whole; the counts of its rows are returned.

    `load` gives the Expert: called after all that can be refused in a second has been looked at. Raises InputError for unusable input or
    options, KakekomiError if the disk fails or rows do not add up.
    """
    listener = listener or Listener()
    kind = _check(request)
    journal = Journal(request.output)
    if request.resume and (finished := journal.finished()) is not None:
        journal.remove()
        listener.note("前回の実行は終わっていました。残っていた作業ファイルを片づけました。")
        return finished
    _check_outputs(request, journal)
    journal.enter(fresh=not request.resume)
    try:
        return _Run(load, request, listener, journal=journal, kind=kind).run()
    except BaseException:
        if journal.is_empty:
            journal.remove()
        raise
    finally:
        journal.leave()


def _check(request: Request) -> str:
    kind = writers.kind_of(request.output)
    if request.output_encoding and kind not in ("csv", "tsv"):
        raise InputError("--output-encoding は、出力がCSVかTSVのときに使えます。")
    if request.workers < 1 or request.samples < 0 or request.reading.chunk_rows < 1:
        raise InputError("--workers と --chunk-rows は1以上、--samples は0以上の数にしてください。")
    if request.samples and not request.report:
        raise InputError("--samples は --report と一緒に使ってください。")
    for encoding in filter(None, (request.reading.encoding, request.output_encoding)):
        encodings.known(encoding)
    named = [i for i in request.inputs if i != STDIN]
    reports = [request.report] if request.report else []
    writers.check_places([request.output, *reports], named)
    writers.check_places(reports, sources.expand(named))  # an output in a folder of inputs is left out of them; a report is not
    return kind


def _check_outputs(request: Request, journal: Journal) -> None:
    if request.output.exists() and not request.force:
        raise InputError(f"{request.output} はもうあります。別の名前にするか、--force をつけてください。")
    if request.report and request.report.exists() and not request.force:
        kept = "(--resume と一緒なら、途中の作業は捨てません)" if request.resume else ""
        raise InputError(f"{request.report} はもうあります。別の名前にするか、--force をつけてください{kept}。")
    if journal.exists and not (request.resume or request.force):
        raise InputError(f"{request.output} を作る途中の作業が残っています。続きからなら --resume、初めからやり直すなら --force をつけてください。")


class _Run:
    """One run; its steps in order are in `run`."""

    def __init__(self, load: Callable[[], Expert], request: Request, listener: Listener, *, journal: Journal, kind: str) -> None:
        self._request, self._listener, self._journal, self._kind = request, listener, journal, kind
        self._source = self._open()
        self._expert = load()
        self._versions = pool.versions(self._expert)
        self._layout = self._source.layout(json=kind == "jsonl", mask=request.mask)
        self._rows = 0
        self._chunks = 0
        self._ids = _Ids(journal.folder / "ids")

    def run(self) -> Tally:
        self._say()
        with disk_errors(self._request.output):
            self._journal.agree(self._manifest())
            self._answer()
            tally = self._assemble()
            self._say_after(tally)
            self._report(tally)
            self._journal.finish(tally)
        return tally

    def _open(self) -> Source:
        files: list[Path] = []
        for path in self._request.inputs:
            with disk_errors(self._request.output):
                files += [self._journal.keep_stdin(sys.stdin.buffer)] if path == STDIN else sources.expand([path])
        own = self._request.output.resolve()
        if any(f.resolve() == own for f in files):
            self._listener.note(f"{self._request.output} は出力なので、入力に数えません")
        files = [f for f in files if f.resolve() != own]
        source = sources.open_source(files, self._request.reading, columns_wanted=self._kind != "jsonl")
        return self._without_personal_ids(source) if self._request.mask else source

    def _without_personal_ids(self, source: Source) -> Source:
        """Under --mask a column of phone numbers cannot be the id that is written: row numbers are."""
        roles = tuple(replace(r, id=None) if r.id and masking.is_personal(r.id) else r for r in source.roles)
        hidden = {r.id for r in source.roles} - {r.id for r in roles}
        notes = [f"ID={name} は伏せるので、IDには行番号を使います" for name in hidden]
        notes += [f"IDの列「{r.id}」は伏せません" for r in dict.fromkeys(roles) if r.id]
        return replace(source, roles=roles, notes=(*source.notes, *notes))

    def _manifest(self) -> dict[str, str]:
        request = self._request
        options = (request.reading, request.mask, request.output_encoding, request.samples, self._source.roles)
        return {
            "input": self._source.fingerprint,
            **self._versions,
            "options": hashlib.sha256(repr(options).encode()).hexdigest(),
            "kind": self._kind,
        }

    def _say(self) -> None:
        for note in self._source.notes:
            self._listener.note(note)
        renamed = output_names(list(self._source.columns), answer_schema(self._expert.knowledge.facts).names)
        for name, written in renamed.items():
            if name != written:
                self._listener.note(f"列「{name}」は入力にもあるので、答えの列は「{written}」とします")

    # ---- answering

    def _answer(self) -> None:
        self._listener.start(self._source.rows, 0)
        job = pool.Job(self._layout, self._request.samples, self._versions)
        todo = self._todo()
        workers = self._request.workers
        done = pool.in_workers(job, workers, todo) if workers > 1 else pool.in_process(pool.Work(self._expert, job), todo)
        for number, rows, packed in done:
            self._journal.put(number, packed)
            self._listener.answered(rows)
        self._ids.close()

    def _todo(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The chunks that are not on the disk yet. The input is read from its start, so that chunks are cut at the same rows."""
        ids_given = any(r.id for r in self._source.roles)
        skipped = 0
        for number, chunk in enumerate(self._source.chunks()):
            self._rows += chunk.num_rows
            self._chunks += 1
            if ids_given:
                self._ids.add(chunk.column(sources.ID).to_pylist())
            if self._journal.has(number):
                skipped += chunk.num_rows
                self._listener.start(self._source.rows, skipped)
            else:
                yield number, chunk

    # ---- putting together

    def _schema(self) -> pa.Schema:
        if self._kind == "jsonl":
            return pa.schema([pa.field(ANSWER, pa.string())])
        inside = pa.schema([pa.field(n, pa.string()) for n in sources.INTERNAL] + [pa.field(n, k) for n, k in self._source.columns.items()])
        return output_schema(inside, self._expert.knowledge.facts, self._layout)

    def _assemble(self) -> Tally:
        tally = Tally()
        writer = writers.open_writer(self._kind, self._journal.part, self._schema(), self._request.output_encoding)
        with writers.Closing(writer):
            written = writers.write_all(writer, self._loaded(tally), self._listener.written)
        if not self._rows == written == tally.rows == tally.answered + tally.failed:
            raise KakekomiError(f"行数が合いません(入力{self._rows:,}、出力{written:,}、集計{tally.rows:,})。出力は作っていません。")
        self._notes = writer.notes
        return tally

    def _loaded(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        for number in range(self._chunks):
            batch, counted = self._journal.load(number)
            tally.add(counted)
            yield batch

    def _say_after(self, tally: Tally) -> None:
        notes: Counter[str] = self._notes
        for note, times in notes.items():
            self._listener.note(f"{note}({times:,}か所)")
        if twice := self._ids.repeated():
            self._listener.note(f"IDの重なる行が{twice:,}行あります(どれも答えています)")
        if not tally.rows:
            self._listener.note("入力に行がありません")

    def _report(self, tally: Tally) -> None:
        if self._request.report:
            page = report.page(tally, self._expert.knowledge, "、".join(t.label for t in self._source.tables))
            self._request.report.write_text(page, encoding="utf-8", errors="replace")


class _Ids:
    """Counts ids that occur again, in flat memory: eight bytes of hash an id go into a file."""

    _PARTS = 16
    _READ = 1 << 20

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stream = file.open("wb")
        self._count = 0

    def add(self, ids: list[str]) -> None:
        self._count += len(ids)
        self._stream.write(b"".join(hashlib.blake2b(i.encode("utf-8", "replace"), digest_size=8).digest() for i in ids))

    def close(self) -> None:
        self._stream.close()

    def repeated(self) -> int:
        """How many rows have an id that an earlier row had. A sixteenth of the hashes is in memory at a time."""
        return self._count - sum(self._different(part) for part in range(self._PARTS))

    def _different(self, part: int) -> int:
        found = [np.empty(0, np.uint64)]
        with self._file.open("rb") as stream:
            while len(block := np.frombuffer(stream.read(8 * self._READ), np.uint64)):
                found.append(block[block % self._PARTS == part])
        return len(np.unique(np.concatenate(found)))
