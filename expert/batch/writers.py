"""Answered batches -> a file, as a stream; the same batches give the same bytes. The ending of the name says which kind."""

import csv
import datetime
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from expert.batch.kernel import ANSWER, FORMULA, NUMBER
from expert.batch.tables import plain
from expert.errors import InputError

KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".xlsx": "xlsx", ".parquet": "parquet"}
_ROW_GROUP = 20_000
_SHEET_ROWS, _CELL_CHARACTERS = 1_048_576, 32_767
_FORMULA, _NUMBER = re.compile(FORMULA), re.compile(NUMBER)
_CP932 = str.maketrans({"\u301c": "\uff5e", "\u2212": "\uff0d", "\u2016": "\u2225", "\u2014": "\u2015", "\u00a5": "\uffe5"})
"""Characters that cp932 knows by another code point."""
_CREATED = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
"""Written into workbooks instead of the time: the same answers give the same bytes."""


class Writer(Protocol):
    """`notes` counts what had to be changed to fit the file."""

    notes: Counter[str]

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch; `notes` counts what had to be changed for the format."""

    def close(self) -> None:
        """All is in the file from here on. Raises OSError where it does not fit."""


def kind_of(output: Path) -> str:
    """Raises InputError for an ending that is not known."""
    kind = KINDS.get(output.suffix.lower())
    if kind is None:
        raise InputError(f"{output} に書く形式がわかりません。名前の終わりを {'、'.join(KINDS)} のどれかにしてください。")
    return kind


def check_places(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raises InputError where a file to be written is an input or another output, or cannot be made there: before any work, not after it."""
    for i, output in enumerate(outputs):
        if not output.parent.is_dir():
            raise InputError(f"{output.parent} というフォルダがありません。先に作るか、別の場所を指定してください。")
        if output.is_dir():
            raise InputError(f"{output} はフォルダです。ファイルの名前を指定してください。")
        if any(_same(output, read) for read in inputs):
            raise InputError(f"出力 {output} が入力と同じファイルです。別の名前を指定してください。")
        if any(_same(output, other) for other in outputs[:i]):
            raise InputError(f"{output} に、二つの出力を書くことになります。別々の名前を指定してください。")


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))


def open_writer(kind: str, file: Path, schema: pa.Schema, encoding: str | None) -> Writer:
    """A writer of `kind` into `file` (which is replaced). `schema` is that of the batches to come."""
    if kind == "jsonl":
        return JsonlWriter(file)
    if kind == "parquet":
        return ParquetWriter(file, schema)
    if kind == "xlsx":
        return XlsxWriter(file, schema.names)
    return CsvWriter(file, schema.names, delimiter="\t" if kind == "tsv" else ",", encoding=encoding or "utf-8-sig")


class JsonlWriter:
    """The `answer` column, a line each."""

    def __init__(self, file: Path) -> None:
        self.notes: Counter[str] = Counter()
        self._stream = file.open("w", encoding="utf-8", newline="\n")

    def write(self, batch: pa.RecordBatch) -> None:
        self._stream.write("".join(line + "\n" for line in batch.column(ANSWER).to_pylist()))

    def close(self) -> None:
        self._stream.close()


class CsvWriter:
    """Opens rightly in Excel: with BOM, CRLF, and no cell that would run as a formula. cp932 replaces what it does not have by 〓."""

    def __init__(self, file: Path, names: Sequence[str], *, delimiter: str, encoding: str) -> None:
        self.notes: Counter[str] = Counter()
        self._narrow = encoding.replace("_", "-").lower() in ("cp932", "shift-jis", "sjis", "ms932")
        self._encoding = encoding
        self._stream = file.open("w", encoding=encoding, newline="", errors="strict")
        self._csv = csv.writer(self._stream, delimiter=delimiter)
        self._csv.writerow([self._cell(n) for n in names])

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [[self._cell(v) for v in column.to_pylist()] for column in batch.columns]
        self._csv.writerows(zip(*columns, strict=True))

    def _cell(self, value: Any) -> str:
        if not isinstance(value, str):
            return plain(value) or ""
        if _FORMULA.match(value) and not _NUMBER.match(value):
            self.notes["数式のように始まるセルの頭に「'」をつけました"] += 1
            value = "'" + value
        return value if value.isascii() or self._encoding.startswith("utf") else self._encodable(value)

    def _encodable(self, value: str) -> str:
        value = value.translate(_CP932) if self._narrow else value
        try:
            value.encode(self._encoding)
        except UnicodeEncodeError:
            kept = [c if _fits(c, self._encoding) else "〓" for c in value]
            self.notes[f"{self._encoding} で書けない文字を「〓」にしました"] += sum(a != b for a, b in zip(kept, value, strict=True))
            return "".join(kept)
        return value

    def close(self) -> None:
        self._stream.close()


def _fits(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class ParquetWriter:
    """Row groups of some 20,000 rows."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self.notes: Counter[str] = Counter()
        self._schema = schema.remove_metadata()
        self._stream = file.open("wb")
        self._parquet = pq.ParquetWriter(self._stream, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        if sum(b.num_rows for b in self._waiting) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches([b.replace_schema_metadata() for b in self._waiting], self._schema)
            self._parquet.write_table(table, row_group_size=table.num_rows)
            self._waiting = []

    def close(self) -> None:
        self._flush()
        self._parquet.close()
        self._stream.close()


class XlsxWriter:
    """A workbook whose text cells are texts (nothing runs), row by row in constant memory; a full sheet is followed by another."""

    def __init__(self, file: Path, names: Sequence[str]) -> None:
        self.notes: Counter[str] = Counter()
        self._names = names
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": str(file.parent)}
        self._book = xlsxwriter.Workbook(str(file), options)
        self._book.use_zip64()
        self._book.set_properties({"created": _CREATED})
        self._sheets = 0
        self._new_sheet()

    def _new_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet("answers" if self._sheets == 1 else f"answers ({self._sheets})")
        self._row = 0
        self._put([str(n) for n in self._names])

    def write(self, batch: pa.RecordBatch) -> None:
        for cells in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            if self._row == _SHEET_ROWS:
                self._new_sheet()
                self.notes["シートに収まらないので、次のシートへ続けました"] += 1
            self._put(cells)

    def _put(self, cells: Sequence[Any]) -> None:
        for i, value in enumerate(cells):
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**15:
                self._sheet.write_number(self._row, i, value)
            elif text := plain(value):
                self._sheet.write_string(self._row, i, self._fitting(text))
        self._row += 1

    def _fitting(self, text: str) -> str:
        if len(text) <= _CELL_CHARACTERS:
            return text
        self.notes[f"セルに入らない長さ({_CELL_CHARACTERS:,}文字より長い)の文を切りつめました"] += 1
        return text[:_CELL_CHARACTERS]

    def close(self) -> None:
        try:
            self._book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise (error.args[0] if error.args and isinstance(error.args[0], OSError) else OSError(str(error))) from error


class Closing(AbstractContextManager[Writer]):
    """Closes a writer; after an error only its handle, without hiding that error behind another."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __enter__(self) -> Writer:
        return self._writer

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._writer.close()
        except OSError:
            if kind is None:
                raise


def write_all(writer: Writer, batches: Iterator[pa.RecordBatch], on_rows: Callable[[int], None]) -> int:
    """Write the batches in their order; returns the number of rows."""
    rows = 0
    for batch in batches:
        writer.write(batch)
        rows += batch.num_rows
        on_rows(batch.num_rows)
    return rows
