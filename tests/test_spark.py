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
from expert.batch.sources import Options
from expert.errors import InputError
from expert.pipeline import Expert
from expert.spark import run as spark_run

pytest.importorskip("pyspark")
ROWS, PARTITIONS = 100_000, 8
TEXTS = ["3万円を振り込んでしまいました", "画面が消えません", "", "宅配のSMSのリンクを開いた", "副業の先生に銀行振込で払った", "パスワードを入れた"]
HAS_JAVA = bool(shutil.which("java") or os.environ.get("JAVA_HOME"))


def on_spark(test: Any) -> Any:
    return pytest.mark.slow(pytest.mark.skipif(not HAS_JAVA, reason="needs Java")(test))


@pytest.fixture(scope="module")
def spark(expert: Expert) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    assert expert.model  # in the cache, so that Spark's workers need not train
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000").getOrCreate()
    yield session
    session.stop()


@on_spark
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


@on_spark
def test_a_missing_column_is_said(spark: Any) -> None:
    from expert.spark import answers

    with pytest.raises(InputError, match="列「text」がありません。あるのは a です。"):
        answers(spark.createDataFrame([("x",)], ["a"]))


@on_spark
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_the_command_on_spark(expert: Expert, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"id": f"k{i}", "text": t}, ensure_ascii=False) + "\n" for i, t in enumerate(TEXTS)), encoding="utf-8")
    output = tmp_path / f"out.{kind}"
    done = _command(source, output)
    assert done.returncode == 1, done.stderr
    assert "6件: 答え5件、失敗1件" in done.stderr
    assert (output / "_SUCCESS").exists()
    if kind == "jsonl":
        lines = [json.loads(line) for part in sorted(output.glob("part-*")) for line in part.read_text(encoding="utf-8").splitlines()]
        run(lambda: expert, Request((source,), tmp_path / "one.jsonl"))
        single = [json.loads(line) for line in (tmp_path / "one.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [a for a in lines if "error" not in a] == [a for a in single if "error" not in a]


@on_spark
@pytest.mark.parametrize(
    ("name", "encoding"), [("in.csv", "cp932"), ("in.csv", "utf-8-sig"), ("in.csv", "utf-16"), ("in.jsonl", "euc_jp"), ("in.jsonl", "utf-8-sig")]
)
def test_any_encoding_is_read_and_mask_hides_phone_numbers(tmp_path: Path, name: str, encoding: str) -> None:
    source, output = tmp_path / name, tmp_path / "out.csv"
    rows = [{"電話番号": f"090-1111-{i}222", "内容": text} for i, text in enumerate(TEXTS)]
    if name.endswith(".csv"):
        lines = ["電話番号,内容", *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    source.write_text("".join(line + "\n" for line in lines), encoding=encoding)
    done = _command(source, output, "--mask")
    assert done.returncode == 1, done.stderr
    written = "".join(part.read_text(encoding="utf-8") for part in output.glob("part-*"))
    assert "***-****-****" in written
    assert "090-1111" not in written
    assert TEXTS[0] in written
    if name == "in.csv":
        assert "ID=電話番号 は伏せるので、IDは空にします" in done.stderr


@on_spark
def test_a_phone_number_is_no_id_under_mask(spark: Any) -> None:
    from expert.spark import answers

    frame = spark.createDataFrame([("090-1111-2222", TEXTS[0])], ["電話番号", "内容"])
    (row,) = answers(frame, text="内容", id="電話番号", json=True, mask=True).collect()
    assert row["電話番号"] == "***-****-****"
    assert "090-1111-2222" not in row["answer"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "in.csv", "force": True}, "出力が入力と同じファイルです"),
        ({"output": "link.csv", "force": True}, "出力が入力と同じファイルです"),
        ({"inputs": "out.csv/part-0.csv", "force": True}, "出力が入力と同じファイルです"),
        ({"output_encoding": "cp932"}, "--output-encoding は使えません"),
        ({"inputs": "none.csv"}, "none.csv がありません"),
        ({"inputs": "none.parquet"}, "none.parquet がありません"),
        ({"inputs": "in.xlsx"}, "in.xlsx はSparkでは読めません"),
        ({"reading": Options(encoding="nonsense")}, "文字コード「nonsense」は知りません"),
        ({"reading": Options(encoding="utf-32")}, "文字コード.UTF-32.はSparkでは読めません"),
        ({"inputs": "jis.csv"}, "文字コード.ISO2022_JP_EXT.はSparkでは読めません.*--encoding"),
    ],
)
def test_what_spark_cannot_do_is_said_before_it_starts(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    (tmp_path / "in.csv").write_text("内容\n画面が消えません\n", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to(tmp_path / "in.csv")
    (tmp_path / "jis.csv").write_text("内容\n画面が消えません\n", encoding="iso2022_jp")
    inputs, output = (tmp_path / changes.get(name, default) for name, default in (("inputs", "in.csv"), ("output", "out.csv")))
    others = {name: value for name, value in changes.items() if name not in ("inputs", "output")}
    with pytest.raises(InputError, match=message):
        spark_run(Request((inputs,), output, **others), "local[no]", print)
    assert (tmp_path / "in.csv").is_file()


def _command(source: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    arguments = ["batch", str(source), "-o", str(output), "--engine", "spark", "--master", "local[2]", *options]
    return subprocess.run(
        [sys.executable, "-c", "from expert.cli import main; main()", *arguments], capture_output=True, text=True, check=False, timeout=300
    )


@on_spark
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
