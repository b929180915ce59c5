"""The batch kernel on Spark: `mapInArrow` over the same kernel, one `Expert` a worker process.

from expert.spark import answers
answers(spark.table("complaints"), text="内容").write.parquet("answers")
"""

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expert import knowledge
from expert.batch import masking
from expert.batch.kernel import ANSWER, FORMULA, NUMBER, Kernel, Layout, answer_schema, output_names, output_schema
from expert.errors import InputError
from expert.pipeline import Expert

if TYPE_CHECKING:
    from expert.batch.runner import Request

_PARQUET, _JSONL, _CSV = (".parquet", ".pq"), (".jsonl", ".ndjson"), (".csv", ".tsv")
_UTF8 = "UTF-8"
_CHARSETS = {
    "utf-8": _UTF8,
    "utf-8-sig": _UTF8,
    "ascii": _UTF8,
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "cp932": "windows-31j",
    "euc_jp": "EUC-JP",
}
"""Java's name of a Python codec."""


def answers(df: Any, text: str = "text", *, id: str | None = None, json: bool = False, mask: bool = False) -> Any:
    """The data frame with the columns of the answers after its own; rows stay where they are.

    `json` adds `answer` (expert/answer.schema.json), whose id is that of the column `id`. `mask` covers personal data in what comes out;
    the id is then empty where its column is one of phone numbers, addresses and the like.
    The cluster's Python needs kakekomi installed, and its model in KAKEKOMI_CACHE (else every worker process trains for some 30 seconds).
    Raises InputError if a column is missing.
    """
    from pyspark.sql.pandas import types

    for name in filter(None, (text, id)):
        if name not in df.columns:
            raise InputError(f"列「{name}」がありません。あるのは {'、'.join(df.columns)} です。")
    id = _open_id(id, mask=mask)
    layout = Layout(text, id=id, json=json, mask=mask, ids=(id,) if id else ())
    facts = tuple(knowledge.load().facts)
    schema = output_schema(types.to_arrow_schema(df.schema), facts, layout)
    return df.mapInArrow(_Answering(layout), types.from_arrow_schema(schema))


def _open_id(id: str | None, *, mask: bool) -> str | None:
    """Under `mask` a column of phone numbers cannot be the id, which is written as it is."""
    return None if id and mask and masking.is_personal(id) else id


class _Answering:
    """What a Spark worker does with its batches; pickled to it, so it holds the layout alone."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        kernel = Kernel(_expert(), self._layout)
        for batch in batches:
            if batch.num_rows:
                yield kernel(batch)


@cache
def _expert() -> Expert:
    """One a Python process: Spark uses its processes again for the next partitions."""
    return Expert.load()


# ---- the command ----------------------------------------------------------------------------------------------------


def run(request: "Request", master: str | None, say: Any) -> int:
    """`kakekomi batch --engine spark`: the output is a folder of part files, made by Spark's own committer. Returns the number of failed rows.

    Raises InputError for what Spark cannot do here (XLSX, resume, report, a missing file, package or Java).
    """
    kind = _refusals(request)
    charsets = [_charset(path, request, master, say) for path in request.inputs]
    session = _session(master)
    try:
        source, text, id = _read(session, request, charsets, say)
        answered = answers(source, text, id=id, json=kind == "jsonl", mask=request.mask)
        _write(answered, request, kind)
        return _summary(session, request.output, kind, say)
    finally:
        session.stop()


def _refusals(request: "Request") -> str:
    from expert.batch import writers

    kind = writers.kind_of(request.output)
    unusable = {"--resume": request.resume, "--report": request.report, "XLSXの出力": kind == "xlsx", "--workers": request.workers > 1}
    if given := [name for name, is_given in unusable.items() if is_given]:
        raise InputError(f"Sparkでは {'、'.join(given)} は使えません(Sparkは失敗した分を自分でやり直します)。")
    if request.output_encoding:
        raise InputError("Sparkでは --output-encoding は使えません。出力はUTF-8です。")
    if any(_holds(request.output, path) for path in request.inputs):
        raise InputError("出力が入力と同じファイルです。-o に別の名前を指定してください。")
    if request.output.exists() and not request.force:
        raise InputError(f"{request.output} はもうあります。別の名前にするか、--force をつけてください。")
    return kind


def _holds(output: Path, path: Path) -> bool:
    """Whether the input is the output, or lies in its folder: to write over it would destroy the input."""
    own, given = (Path(str(p).removeprefix("file:")).resolve() for p in (output, path))
    return own in (given, *given.parents) or (own.exists() and given.exists() and own.samefile(given))


def _charset(path: Path, request: "Request", master: str | None, say: Any) -> str:
    """How Java calls the encoding of an input. What lies on the cluster alone cannot be looked at: it is UTF-8 unless the user says otherwise."""
    from expert.batch import encodings

    suffix, encoding = path.suffix.lower(), request.reading.encoding
    if suffix not in (*_PARQUET, *_JSONL, *_CSV):
        raise InputError(f"{path} はSparkでは読めません。Parquet、JSONL、CSV、TSVにしてください。")
    local = ":" not in path.parts[0] and (not master or master.startswith("local"))
    if local and not path.exists():
        raise InputError(f"{path} がありません。ファイルの名前と場所を確かめてください。")
    if suffix in _PARQUET:
        return _UTF8
    given = encodings.known(encoding) if encoding else None
    surveys = [encodings.survey(file, text=True, encoding=given) for file in _files(path)]
    found = {s.encoding for s in surveys} or {given or "utf-8"}
    charsets = {_java(name, path) for name in found}
    if len(charsets) > 1:
        raise InputError(f"{path} の中のファイルは文字コードがまちまちです({_names(found)})。一つにそろえてください。")
    if any(s.lossy for s in surveys):
        say(f"{path}: {_names(found)}として読めない文字があります(「�」にします。--encoding で選べます)")
    elif not given and charsets != {_UTF8}:
        say(f"{path}: 文字コードは{_names(found)}とみなします")
    charset = charsets.pop()
    if suffix in _JSONL and charset.startswith("UTF-16"):
        raise InputError(f"{path} の文字コード({charset})のJSONLはSparkでは読めません。UTF-8で保存し直してください。")
    return charset


def _files(path: Path) -> list[Path]:
    """The files of text that Spark reads there; it unpacks others (.gz) by itself."""
    if not path.is_dir():
        return [path] if path.exists() else []
    return sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith((".", "_")) and f.suffix.lower() in (*_JSONL, *_CSV, ".txt"))


def _java(encoding: str, path: Path) -> str:
    if encoding not in _CHARSETS:
        raise InputError(f"{path} の文字コード({_names({encoding})})はSparkでは読めません。UTF-8で保存し直すか、--encoding で選んでください。")
    return _CHARSETS[encoding]


def _names(found: set[str]) -> str:
    from expert.batch import encodings

    return "、".join(sorted(encodings.NAMES.get(name, name.upper()) for name in found))


def _session(master: str | None) -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise InputError("Sparkの部品(pyspark)がありません。pip install 'kakekomi[spark]' で入ります。") from error
    builder = SparkSession.builder.appName("kakekomi").config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
    builder = builder.config("spark.sql.legacy.javaCharsets", "true")  # Spark 4 reads Shift_JIS and EUC-JP no more without it
    if master:
        builder = builder.master(master)
    if not master or master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else Spark takes the python3 of the PATH
        builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    try:
        session = builder.getOrCreate()
    except Exception as error:  # PySpark raises its own, py4j's and plain RuntimeErrors alike
        raise InputError("Sparkを始められません。Java(17以上)があるか、--master が正しいか確かめてください。") from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def _read(session: Any, request: "Request", charsets: Sequence[str], say: Any) -> tuple[Any, str, str | None]:
    """The input as a data frame, with the names of its text and id columns."""
    from expert.batch import columns

    frames = [_frame(session, path, charset, header=request.reading.header) for path, charset in zip(request.inputs, charsets, strict=True)]
    frame = frames[0]
    for other in frames[1:]:
        frame = frame.unionByName(other, allowMissingColumns=True)
    sample = [list(row) for row in frame.limit(200).collect()]
    roles = columns.find(frame.columns, sample, request.reading.wanted)
    if roles.guessed:
        say(f"列は {'、'.join(roles.guessed)} とみなします")
    if roles.id and request.mask:
        hidden = _open_id(roles.id, mask=True) is None
        say(f"ID={roles.id} は伏せるので、IDは空にします" if hidden else f"IDの列「{roles.id}」は伏せません")
    return frame, roles.text, roles.id


def _frame(session: Any, path: Path, charset: str, *, header: bool = True) -> Any:
    reader, suffix = session.read, path.suffix.lower()
    try:
        if suffix in _PARQUET:
            return reader.parquet(str(path))
        if suffix in _JSONL:
            return reader.json(str(path), encoding=charset, lineSep="\n")
        mark = "\t" if suffix == ".tsv" else ","
        return reader.csv(str(path), header=header, sep=mark, multiLine=True, escape='"', encoding=charset)
    except Exception as error:  # as in _session
        raise InputError(f"{path} を読めません。ファイルの名前と場所と中身を確かめてください。") from error


def _write(answered: Any, request: "Request", kind: str) -> None:
    frame = answered.select(ANSWER) if kind == "jsonl" else answered if kind == "parquet" else _harmless(answered)
    writer = frame.write.mode("overwrite" if request.force else "errorifexists")
    if kind == "jsonl":
        writer.text(str(request.output))
    elif kind == "parquet":
        writer.parquet(str(request.output))
    else:
        writer.csv(str(request.output), header=True, sep="\t" if kind == "tsv" else ",", escape='"')


def _harmless(frame: Any) -> Any:
    """Cells that a spreadsheet would run as a formula get an apostrophe, as in the CSV of the single process."""
    from pyspark.sql import functions

    def cell(name: str) -> Any:
        column = functions.col(f"`{name}`")
        runs = column.rlike(FORMULA) & ~column.rlike(NUMBER)
        return functions.when(runs, functions.concat(functions.lit("'"), column)).otherwise(column).alias(name)

    return frame.select(*(cell(name) if kind == "string" else f"`{name}`" for name, kind in frame.dtypes))


def _summary(session: Any, output: Path, kind: str, say: Any) -> int:
    """Counted in what was written."""
    if kind == "jsonl":
        written = session.read.text(str(output))
        failed = written.filter("get_json_object(value, '$.error') is not null").count()
    else:
        written = _frame(session, output, _UTF8)
        error = output_names([], answer_schema(()).names)["error"]
        failed = written.filter(f"`{error}` is not null").count()
    rows = written.count()
    say(f"{rows}件: 答え{rows - failed}件、失敗{failed}件")
    return int(failed)
