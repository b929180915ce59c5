"""The batch kernel on Spark: `mapInArrow` over the same kernel, one `Expert` a worker process.

from expert.spark import answers
answers(spark.table("complaints"), text="内容").write.parquet("answers")
"""

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expert import knowledge
from expert.batch.kernel import ANSWER, FORMULA, NUMBER, Kernel, Layout, answer_schema, output_names, output_schema
from expert.errors import InputError
from expert.pipeline import Expert

if TYPE_CHECKING:
    from expert.batch.runner import Request


def answers(df: Any, text: str = "text", *, id: str | None = None, json: bool = False, mask: bool = False) -> Any:
    """The data frame with the columns of the answers after its own; rows stay where they are.

    `json` adds `answer` (contract section 4), whose id is that of the column `id`. `mask` covers personal data in what comes out.
    The cluster's Python needs kakekomi installed, and its model in KAKEKOMI_CACHE (else every worker process trains for some 30 seconds).
    Raises InputError if a column is missing.
    """
    from pyspark.sql.pandas import types

    for name in filter(None, (text, id)):
        if name not in df.columns:
            raise InputError(f"列「{name}」がありません。あるのは {'、'.join(df.columns)} です。")
    layout = Layout(text, id=id, json=json, mask=mask, ids=(id,) if id else ())
    facts = tuple(knowledge.load().facts)
    schema = output_schema(types.to_arrow_schema(df.schema), facts, layout)
    return df.mapInArrow(_Answering(layout), types.from_arrow_schema(schema))


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

    Raises InputError for what Spark cannot do here (XLSX, resume, report, a missing package or Java).
    """
    kind = _refusals(request)
    session = _session(master)
    try:
        source, text, id = _read(session, request, say)
        answered = answers(source, text, id=id, json=kind == "jsonl", mask=request.mask)
        _write(answered, request, kind)
        return _summary(session, request, kind, say)
    finally:
        session.stop()


def _refusals(request: "Request") -> str:
    from expert.batch import writers

    kind = writers.kind_of(request.output)
    unusable = {"--resume": request.resume, "--report": request.report, "XLSXの出力": kind == "xlsx", "--workers": request.workers > 1}
    if given := [name for name, is_given in unusable.items() if is_given]:
        raise InputError(f"Sparkでは {'、'.join(given)} は使えません(Sparkは失敗した分を自分でやり直します)。")
    if request.output.exists() and not request.force:
        raise InputError(f"{request.output} はもうあります。別の名前にするか、--force をつけてください。")
    return kind


def _session(master: str | None) -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise InputError("Sparkの部品(pyspark)がありません。pip install 'kakekomi[spark]' で入ります。") from error
    builder = SparkSession.builder.appName("kakekomi").config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
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


def _read(session: Any, request: "Request", say: Any) -> tuple[Any, str, str | None]:
    """The input as a data frame, with the names of its text and id columns."""
    from expert.batch import columns

    frames = [_frame(session, path, request) for path in request.inputs]
    frame = frames[0]
    for other in frames[1:]:
        frame = frame.unionByName(other, allowMissingColumns=True)
    sample = [list(row) for row in frame.limit(200).collect()]
    roles = columns.find(frame.columns, sample, request.reading.wanted)
    if roles.guessed:
        say(f"列は {'、'.join(roles.guessed)} とみなします")
    return frame, roles.text, roles.id


def _frame(session: Any, path: Path, request: "Request") -> Any:
    reader, suffix, reading = session.read, path.suffix.lower(), request.reading
    if suffix in (".parquet", ".pq"):
        return reader.parquet(str(path))
    if suffix in (".jsonl", ".ndjson"):
        return reader.json(str(path))
    if suffix in (".csv", ".tsv"):
        mark = "\t" if suffix == ".tsv" else ","
        return reader.csv(str(path), header=reading.header, sep=mark, multiLine=True, escape='"', encoding=reading.encoding or "utf-8")
    raise InputError(f"{path} はSparkでは読めません。Parquet、JSONL、CSV、TSVにしてください。")


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


def _summary(session: Any, request: "Request", kind: str, say: Any) -> int:
    """Counted in what was written."""
    if kind == "jsonl":
        written = session.read.text(str(request.output))
        failed = written.filter("get_json_object(value, '$.error') is not null").count()
    else:
        written = session.read.parquet(str(request.output)) if kind == "parquet" else _frame(session, request.output, request)
        error = output_names([], answer_schema(()).names)["error"]
        failed = written.filter(f"`{error}` is not null").count()
    rows = written.count()
    say(f"{rows}件: 答え{rows - failed}件、失敗{failed}件")
    return int(failed)
