"""One input file as a table: its columns, a sample for guessing, its rows one after the other. Each format is read as a stream, twice:
once to learn its shape (columns, rows, what is odd about it), once to answer."""

import contextlib
import csv
import datetime
import itertools
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from expert.batch import columns
from expert.batch.encodings import Bytes
from expert.errors import InputError

SAMPLE_ROWS = 200
_LONGEST_HEADING = 40
_SURROGATE = re.compile("[\ud800-\udfff]")
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the limit on a complaint's length is the pipeline's, with a clear error a row

Cells = Sequence[Any]
Record = tuple[int, Cells, str | None]
"""Line or row number, cells in the order of the columns, why the row could not be read."""


@dataclass
class Table:
    """`read()` yields the records; `notes` tell people what was odd. `types` only where a column is not text."""

    label: str
    columns: list[str]
    read: Callable[[], Iterator[Record]]
    bytes: Bytes
    rows: int
    sample: list[Cells] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    types: dict[str, pa.DataType] = field(default_factory=dict)
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: `columns` false where only text, id and date matter (then JSONL need not be searched for keys)."""

    header: bool = True
    sheet: str | None = None
    columns: bool = True


def plain(value: Any) -> str | None:
    """A cell as text: whole numbers without .0, dates as ISO, lone surrogates (which no file can hold) as U+FFFD."""
    if value is None or isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value) if value else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, list | dict | tuple):
        return _SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False, default=str))
    return str(value)


# ---- CSV and XLSX: a grid with headings -------------------------------------------------------------------------------

Grid = Callable[[], Iterator[tuple[int, Cells]]]
"""Opens the file anew and yields rows with their number; empty rows included."""


def _grid(label: str, grid: Grid, found: Bytes, reading: Reading) -> Table:
    """The table of a grid: first row that is not empty holds the headings (unless it looks like a complaint)."""
    shape = _Shape()
    rows = ((n, cells) for n, cells in grid() if _filled(cells))
    first = next(rows, None)
    heading, notes = _headings(first[1] if first else (), reading)
    for _, cells in rows if heading else itertools.chain([first] if first else [], rows):
        shape.add(cells, len(heading) if heading else None)
    names = columns.unique([*heading, *[None] * (max(shape.width, len(heading)) - len(heading))])
    notes += shape.notes(len(names) > len(heading) > 0)

    def read() -> Iterator[Record]:
        filled = ((n, cells) for n, cells in grid() if _filled(cells))
        for n, cells in itertools.islice(filled, 1 if heading else 0, None):
            yield n, [*cells[: len(names)], *[None] * (len(names) - len(cells))], None

    return Table(label, names, read, found, shape.rows, shape.sample, notes)


def _filled(cells: Cells) -> bool:
    return any(c is not None and c != "" and not (isinstance(c, str) and c.isspace()) for c in cells)


def _headings(first: Cells, reading: Reading) -> tuple[list[Any], list[str]]:
    if not reading.header:
        return [], []
    if any(isinstance(c, str) and len(c) > _LONGEST_HEADING for c in first):
        return [], ["1行目が長い文なので、見出しの行はないものとして読みます(列1、列2、…)"]
    while first and (first[-1] is None or first[-1] == ""):
        first = first[:-1]
    return list(first), []


_MANY_LINES = 50
"""More lines in one cell than a person types: a quotation mark is not closed."""


@dataclass
class _Shape:
    """What the first pass counts."""

    rows: int = 0
    width: int = 0
    short: int = 0
    long: int = 0
    swollen: int = 0
    sample: list[Cells] = field(default_factory=list)

    def add(self, cells: Cells, expected: int | None) -> None:
        self.rows += 1
        used = len(cells) if cells and cells[-1] not in (None, "") else max((i + 1 for i, c in enumerate(cells) if c not in (None, "")), default=0)
        self.width = max(self.width, used)
        if expected:
            self.short += len(cells) < expected
            self.long += used > expected
        self.swollen += any(isinstance(c, str) and c.count("\n") > _MANY_LINES for c in cells)
        if len(self.sample) < SAMPLE_ROWS:
            self.sample.append(cells)

    def notes(self, widened: bool) -> list[str]:
        notes = [f"列が足りない行が{self.short:,}行あります(足りない分は空とします)"] if self.short else []
        if self.swollen:
            notes.append(
                f'一つのセルに{_MANY_LINES}行を超える文が入った行が{self.swollen:,}行あります。引用符(")が閉じていないと、後の行がみな一つになります。確かめてください'
            )
        return notes + ([f"見出しより列の多い行が{self.long:,}行あります(はみ出した分は「列N」に入れます)"] if widened else [])


def read_csv(file: Path, found: Bytes, delimiter: str | None, reading: Reading) -> Table:
    """CSV or TSV (`delimiter` None: tab or comma, whichever the first line has more of). Line breaks inside quotes are kept."""
    errors = "replace" if found.lossy else "strict"
    with file.open(encoding=found.encoding, errors=errors, newline="") as stream:
        start = stream.readline()
    mark = delimiter or max(",\t;", key=start.count)

    def grid() -> Iterator[tuple[int, Cells]]:
        with file.open(encoding=found.encoding, errors=errors, newline="") as lines:
            reader = csv.reader(lines, delimiter=mark)
            while True:
                number = reader.line_num + 1
                cells = next(reader, None)
                if cells is None:
                    return
                yield number, cells

    return _grid(file.name, grid, found, reading)


def read_xlsx(file: Path, found: Bytes, reading: Reading) -> Table:
    """A sheet of an Excel workbook (the first, or `reading.sheet`), as a stream."""

    def grid() -> Iterator[tuple[int, Cells]]:
        with file.open("rb") as stream:
            book = _workbook(stream, file)
            sheet = _sheet(book, reading.sheet, file)
            sheet.reset_dimensions()  # some programs write a wrong size: then rows would be lost
            number = 0
            try:
                for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
                    yield number, [plain(c) for c in cells]
            except _DAMAGE as error:
                raise InputError(
                    f"{file} の{number + 1}行目から先を読めません。壊れているかもしれません。Excelで開いて、保存し直してください。"
                ) from error

    table = _grid(file.name, grid, found, reading)
    with file.open("rb") as stream:
        others = [sheet.title for sheet in _workbook(stream, file).worksheets]
    if len(others) > 1 and not reading.sheet:
        table.notes.append(f"シートが{len(others)}枚あります。「{others[0]}」だけを読みます(--sheet で選べます)")
    return table


_DAMAGE = (zipfile.BadZipFile, zlib.error, SyntaxError, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError)
"""What openpyxl raises in the middle of a damaged sheet (a SyntaxError is one of XML)."""


def _workbook(stream: Any, file: Path) -> Any:
    try:
        return openpyxl.load_workbook(stream, read_only=True, data_only=True)
    except Exception as error:  # zip, XML and key errors alike: whatever a damaged or encrypted workbook raises
        raise InputError(f"{file} をExcelブック(.xlsx)として読めません。壊れているか、パスワードがついています。") from error


def _sheet(book: Any, name: str | None, file: Path) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}  # charts on a sheet of their own are not among them
    if not sheets:
        raise InputError(f"{file} に、表のシートがありません。")
    if name is not None and name not in sheets:
        raise InputError(f"{file} に、表のシート「{name}」がありません。あるのは {'、'.join(sheets)} です。")
    return book.worksheets[0] if name is None else sheets[name]


# ---- JSONL ----------------------------------------------------------------------------------------------------------


def read_jsonl(file: Path, found: Bytes, reading: Reading) -> Table:
    """One JSON object a line. Columns are the keys, in the order in which they first appear."""

    def lines() -> Iterator[tuple[int, str]]:
        with file.open(encoding=found.encoding, errors="replace", newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line

    names: dict[str, None] = {}
    parsed: list[dict[str, Any]] = []
    count = 0
    for _, line in lines():
        count += 1
        if not reading.columns and count > SAMPLE_ROWS:
            continue
        row, _ = _object(line)
        names |= dict.fromkeys(row)
        if len(parsed) < SAMPLE_ROWS:
            parsed.append(row)
    keys = list(names) or ["id", "text"]

    def read() -> Iterator[Record]:
        for number, line in lines():
            row, fault = _object(line)
            yield number, [row.get(key) for key in keys], fault

    return Table(file.name, keys, read, found, count, [[row.get(k) for k in keys] for row in parsed], is_json=True)


def _object(line: str) -> tuple[dict[str, Any], str | None]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return {}, f"JSONとして読めません({error.colno}文字目)"
    except (ValueError, RecursionError):
        return {}, "JSONとして読めません(桁の多すぎる数か、深すぎる括弧があります)"
    return (row, None) if isinstance(row, dict) else ({}, '{"id": …, "text": …} の形にしてください')


# ---- Parquet --------------------------------------------------------------------------------------------------------


def read_parquet(file: Path, found: Bytes, batch_rows: int) -> Table:
    """A Parquet file, read by batches of its row groups; column types are kept."""
    with _parquet(file) as source:
        schema, count = source.schema_arrow, source.metadata.num_rows
        first = next(source.iter_batches(SAMPLE_ROWS), None)

    def read() -> Iterator[Record]:
        with _parquet(file) as stream:
            number = itertools.count(1)
            for batch in stream.iter_batches(batch_rows):
                for cells in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                    yield next(number), cells, None

    names = columns.unique(schema.names)
    types = {name: kind for name, kind in zip(names, map(_value_type, schema.types), strict=True) if not pa.types.is_string(kind)}
    sample: list[Cells] = list(zip(*(c.to_pylist() for c in first.columns), strict=True)) if first else []
    return Table(file.name, names, read, found, count, sample, types=types)


@contextlib.contextmanager
def _parquet(file: Path) -> Iterator[pq.ParquetFile]:
    """Raises InputError where the file, or a part of it that is read, is damaged."""
    try:
        with pq.ParquetFile(file) as source:
            yield source
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} をParquetとして読めません。壊れているかもしれません。") from error


def _value_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _value_type(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_null(kind) else kind
