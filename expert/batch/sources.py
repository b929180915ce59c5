"""Files, folders and standard input -> chunks of records (Arrow batches) in a fixed order, the same in every run."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from expert import explanation
from expert.batch import columns, encodings, tables
from expert.batch.columns import Roles, Wanted
from expert.batch.kernel import Layout
from expert.batch.tables import Reading, Table
from expert.errors import InputError

CHUNK_ROWS = 1_000
"""Rows of one chunk: the unit of work, of memory and of what a killed run can lose."""
ID, TEXT, DATE, PLACE, FAULT = (f"__kakekomi_{name}" for name in ("id", "text", "date", "place", "fault"))
INTERNAL = (ID, TEXT, DATE, PLACE, FAULT)
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_MAGIC = ((b"PK\x03\x04", "xlsx"), (b"PAR1", "parquet"), (b"\xd0\xcf\x11\xe0", "ole"))


@dataclass(frozen=True, slots=True)
class Options:
    """How the input is to be read."""

    wanted: Wanted = field(default_factory=Wanted)
    encoding: str | None = None
    sheet: str | None = None
    header: bool = True
    chunk_rows: int = CHUNK_ROWS


@dataclass(frozen=True)
class Source:
    """All input tables, read as one: `columns` is the union of theirs. `notes` tell what was guessed and what is odd."""

    tables: tuple[Table, ...]
    roles: tuple[Roles, ...]
    columns: dict[str, pa.DataType]
    chunk_rows: int
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Records in all tables."""
        return sum(t.rows for t in self.tables)

    @property
    def fingerprint(self) -> str:
        """Changes whenever a byte of the input does."""
        return hashlib.sha256("".join(t.bytes.digest for t in self.tables).encode()).hexdigest()

    def layout(self, *, json: bool, mask: bool, keep: Sequence[str] = ()) -> Layout:
        """How the kernel has to read the chunks; `keep` names internal columns that are handed on."""
        drop = tuple(name for name in INTERNAL if name not in keep)
        texts = tuple(dict.fromkeys(r.text for r in self.roles))
        ids = tuple(dict.fromkeys(r.id for r in self.roles if r.id))
        return Layout(TEXT, id=ID, id_is_json=True, place=PLACE, fault=FAULT, drop=drop, texts=texts, ids=ids, json=json, mask=mask)

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Batches of `chunk_rows` records (the last one may be shorter)."""
        buffer: list[tuple[Any, ...]] = []
        for row in self._records():
            buffer.append(row)
            if len(buffer) == self.chunk_rows:
                yield self._batch(buffer)
                buffer = []
        if buffer:
            yield self._batch(buffer)

    def _records(self) -> Iterator[tuple[Any, ...]]:
        for table, roles in zip(self.tables, self.roles, strict=True):
            if not table.rows:
                continue
            prefix = f"{table.label} " if len(self.tables) > 1 else ""
            where = {name: i for i, name in enumerate(table.columns)}
            places = [where.get(name) for name in self.columns]
            pick = _Picker(where, roles, table.is_json)
            for number, cells, fault in table.read():
                kept = [None if i is None else cells[i] for i in places]
                yield (*pick(number, cells, fault), f"{prefix}{number}行目", *kept)

    def _batch(self, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        names = [ID, TEXT, DATE, FAULT, PLACE, *self.columns]
        kinds = [*[pa.string()] * len(INTERNAL), *self.columns.values()]
        arrays = [_array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, names=names)


class _Picker:
    """Takes id (as JSON), text, date and fault of a record out of its cells."""

    def __init__(self, where: dict[str, int], roles: Roles, is_json: bool) -> None:
        self._text = where[roles.text]
        self._id = None if roles.id is None else where[roles.id]
        self._date = None if roles.date is None else where[roles.date]
        self._is_json = is_json

    def __call__(self, number: int, cells: Sequence[Any], fault: str | None) -> tuple[str, str | None, str | None, str | None]:
        text = cells[self._text]
        date = None if self._date is None else tables.plain(cells[self._date])
        id, id_fault = self._identify(number, cells)
        if self._is_json and fault is None and not isinstance(text, str):
            fault = '{"id": …, "text": …} の形にしてください'
        return explanation.dumps(id), tables.plain(text), date, fault or id_fault

    def _identify(self, number: int, cells: Sequence[Any]) -> tuple[str | int, str | None]:
        """The id of the row, else its number."""
        value = None if self._id is None else cells[self._id]
        if value is None or value == "":
            return number, None
        if isinstance(value, int) and not isinstance(value, bool):
            return value, None
        if isinstance(value, str) or not self._is_json:
            return tables.plain(value) or number, None
        return number, "id は文字か整数にしてください"


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array([tables.plain(v) for v in values], pa.string())
    return pa.array(values, kind)


def expand(paths: Sequence[Path]) -> list[Path]:
    """Files in the order given; a folder stands for the files of known kinds in it, by name.

    Raises InputError for what is missing and for an empty folder.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(f for f in path.rglob("*") if f.is_file() and _is_input(f.relative_to(path)))
            if not inside:
                raise InputError(f"{path} に、読めるファイル({'、'.join(sorted(_SUFFIXES))})がありません。")
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"{path} がありません。ファイルの名前と場所を確かめてください。")
    return files


def _is_input(file: Path) -> bool:
    hidden = any(part.startswith((".", "~$", "_")) for part in file.parts)
    return not hidden and file.suffix.lower() in _SUFFIXES


def kind_of(file: Path) -> str:
    """csv, tsv, jsonl, xlsx or parquet: by the name's ending, else by the first bytes.

    Raises InputError for a file that cannot be opened, an old .xls or an encrypted workbook, and a JSON array.
    """
    try:
        with file.open("rb") as stream:
            start = stream.read(4096)
    except OSError as error:
        raise InputError(f"{file} を開けません({error.strerror})。ファイルの名前と場所を確かめてください。") from error
    by_content = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    if by_content == "ole":
        raise InputError(f"{file} は古い形式(.xls)か、パスワードつきのExcelです。パスワードを外し、.xlsx で保存し直してください。")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") and file.suffix.lower() in ("", ".json", ".jsonl"):
        raise InputError(f"{file} はJSONの配列です。一行に一つのオブジェクト(JSONL)にしてください。")
    looks_json = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return _SUFFIXES.get(file.suffix.lower()) or by_content or ("jsonl" if looks_json else "csv")


def open_source(files: Sequence[Path], options: Options, *, columns_wanted: bool) -> Source:
    """Look at every file once: encoding, columns, shape, and what holds the text.

    Raises InputError if a file cannot be read or no text is found.
    """
    found = tuple(_table(file, options, columns_wanted) for file in files)
    roles = tuple(_roles(table, options.wanted) for table in found)
    union: dict[str, pa.DataType] = {}
    for table in found if columns_wanted else ():
        for name in table.columns:
            kind = table.types.get(name, pa.string())
            union[name] = kind if union.get(name, kind) == kind else pa.string()
    return Source(found, roles, union, options.chunk_rows, tuple(_notes(found, roles)))


def _table(file: Path, options: Options, columns_wanted: bool) -> Table:
    kind = kind_of(file)
    reading = Reading(options.header, options.sheet, columns_wanted)
    text = kind in ("csv", "tsv", "jsonl")
    given = encodings.known(options.encoding) if options.encoding and text else None
    found = encodings.survey(file, text=text, encoding=given)
    if kind == "jsonl":
        table = tables.read_jsonl(file, found, reading)
    elif kind == "xlsx":
        table = tables.read_xlsx(file, found, reading)
    elif kind == "parquet":
        table = tables.read_parquet(file, found, options.chunk_rows)
    else:
        table = tables.read_csv(file, found, "\t" if kind == "tsv" else None, reading)
    if found.lossy:
        table.notes.insert(
            0, f"{encodings.NAMES.get(found.encoding, found.encoding)}として読めない文字があります(「�」にします。--encoding で選べます)"
        )
    elif text and not given and found.encoding != "utf-8":
        table.notes.insert(0, f"文字コードは{encodings.NAMES.get(found.encoding, found.encoding.upper())}とみなします")
    return table


def _roles(table: Table, wanted: Wanted) -> Roles:
    if not table.rows:
        return Roles(table.columns[0], None, None) if table.columns else Roles("", None, None)
    if table.is_json and not any(any(c is not None for c in row) for row in table.sample):
        return Roles("text" if "text" in table.columns else table.columns[-1], None, None)
    return columns.find(table.columns, table.sample, wanted)


def _notes(found: Sequence[Table], roles: Sequence[Roles]) -> Iterator[str]:
    for table, role in zip(found, roles, strict=True):
        usual = table.is_json and (role.text, role.id, role.date) in (("text", "id", None), ("text", None, None))
        guessed = [f"列は {'、'.join(role.guessed)} とみなします"] if role.guessed and not usual else []
        for note in [*table.notes, *guessed]:
            yield f"{table.label}: {note}"
