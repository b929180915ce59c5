"""The kernel on a real local Spark: the answers of the single process. Needs `pip install kakekomi[spark]` and Java 17 or later."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

from expert.batch.kernel import Kernel, Layout
from expert.batch.runner import Request, run
from expert.errors import InputError
from expert.pipeline import Expert

pytest.importorskip("pyspark")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("java") and not os.environ.get("JAVA_HOME"), reason="needs Java"),
]
ROWS, PARTITIONS = 100_000, 8
TEXTS = ["3万円を振り込んでしまいました", "画面が消えません", "", "宅配のSMSのリンクを開いた", "副業の先生に銀行振込で払った", "パスワードを入れた"]


@pytest.fixture(scope="module")
def spark(expert: Expert) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    assert expert.model  # in the cache, so that Spark's workers need not train
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000").getOrCreate()
    yield session
    session.stop()


def test_a_hundred_thousand_rows_get_the_answers_of_one_process(spark: Any, expert: Expert, tmp_path: Path) -> None:
    from expert.spark import answers

    table = pa.table({"n": range(ROWS), "内容": [TEXTS[i * 7 % len(TEXTS)] for i in range(ROWS)]})
    pq.write_table(table, tmp_path / "in.parquet")
    frame = spark.read.parquet(str(tmp_path / "in.parquet")).repartition(PARTITIONS)
    answers(frame, text="内容", id="n", json=True).write.parquet(str(tmp_path / "out"))
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) == PARTITIONS
    found = pq.read_table(tmp_path / "out").sort_by("n")
    kernel = Kernel(expert, Layout("内容", id="n", json=True))
    expected = pa.Table.from_batches([kernel(b) for b in table.to_batches(max_chunksize=1000)])
    assert found.num_rows == ROWS
    assert found.column_names == expected.column_names
    for name in expected.column_names:
        assert found[name].to_pylist() == expected[name].to_pylist(), name


def test_a_missing_column_is_said(spark: Any) -> None:
    from expert.spark import answers

    with pytest.raises(InputError, match="列「text」がありません。あるのは a です。"):
        answers(spark.createDataFrame([("x",)], ["a"]))


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_the_command_on_spark(expert: Expert, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"id": f"k{i}", "text": t}, ensure_ascii=False) + "\n" for i, t in enumerate(TEXTS)), encoding="utf-8")
    output = tmp_path / f"out.{kind}"
    arguments = ["batch", str(source), "-o", str(output), "--engine", "spark", "--master", "local[2]"]
    done = subprocess.run(
        [sys.executable, "-c", "from expert.cli import main; main()", *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1, done.stderr
    assert "6件: 答え5件、失敗1件" in done.stderr
    assert (output / "_SUCCESS").exists()
    if kind == "jsonl":
        lines = [json.loads(line) for part in sorted(output.glob("part-*")) for line in part.read_text(encoding="utf-8").splitlines()]
        run(lambda: expert, Request((source,), tmp_path / "one.jsonl"))
        single = [json.loads(line) for line in (tmp_path / "one.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [a for a in lines if "error" not in a] == [a for a in single if "error" not in a]


def test_five_thousand_rows_are_the_same_by_every_format_and_engine(spark: Any, expert: Expert, tmp_path: Path) -> None:
    from expert.spark import answers

    files = _five_thousand(tmp_path)
    found = []
    for source in files:
        for workers in (1, 2):
            output = tmp_path / f"{source.suffix[1:]}-{workers}.parquet"
            run(lambda: expert, Request((source,), output, workers=workers))
            found.append(pq.read_table(output).drop_columns(["id"]))
    answers(spark.read.parquet(str(tmp_path / "in.parquet")).repartition(4)).write.parquet(str(tmp_path / "out"))
    by_spark = pq.read_table(tmp_path / "out")
    order = pa.compute.sort_indices(by_spark["id"].cast(pa.int64()))
    found.append(by_spark.take(order).drop_columns(["id"]))
    for table in found[1:]:
        assert _blank(table) == _blank(found[0])


def _blank(table: pa.Table) -> dict[str, list[Any]]:
    """An empty cell is nothing in XLSX and an empty text elsewhere."""
    return {name: [None if v == "" else v for v in table[name].to_pylist()] for name in table.column_names}


def _five_thousand(folder: Path) -> list[Path]:
    import csv

    import xlsxwriter

    from expert import corpus

    known = [json.loads(line)["text"] for f in corpus.training_files() for line in f.read_text(encoding="utf-8").split("\n") if line]
    texts = [t.encode("cp932", "ignore").decode("cp932").replace("\r", "") for t in known]
    rows = [(str(i), "" if i % 500 == 7 else texts[i % len(texts)]) for i in range(5_000)]
    with (folder / "in.csv").open("w", encoding="cp932", newline="") as stream:
        csv.writer(stream).writerows([("id", "text"), *rows])
    lines = (json.dumps({"id": i, "text": t}, ensure_ascii=False) + "\n" for i, t in rows)
    (folder / "in.jsonl").write_text("".join(lines), encoding="utf-8")
    pq.write_table(pa.table({"id": [i for i, _ in rows], "text": [t for _, t in rows]}), folder / "in.parquet")
    with xlsxwriter.Workbook(str(folder / "in.xlsx"), {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        for n, row in enumerate([("id", "text"), *rows]):
            sheet.write_row(n, 0, row)
    return [folder / f"in.{kind}" for kind in ("jsonl", "csv", "xlsx", "parquet")]
