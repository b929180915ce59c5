"""Tables in, tables out: what is guessed, what is kept, what is told, and that every way gives the same answers."""

import csv
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import openpyxl.chart
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expert import explanation
from expert.batch import columns, encodings, sources
from expert.batch.columns import Wanted
from expert.batch.kernel import Kernel, Layout
from expert.batch.runner import Listener, Request, run
from expert.batch.sources import Options
from expert.batch.tables import plain
from expert.batch.tally import Tally
from expert.errors import InputError
from expert.pipeline import Expert

HEAD = ["受付番号", "受付日", "相談内容"]
ROWS = [
    ("A-1", "2025-04-01", "アダルトサイトで登録完了と出て、3万円を銀行振込で払ってしまいました"),
    ("A-2", "2025-04-15", '「ウイルスに感染」と出て、\n画面が消えません。"電話しろ"とあります'),
    ("A-3", "2025-05-02", ""),
    ("A-3", "2025-05-03", "宅配のSMSのリンクを開いてカード番号を入れた"),
]


def batch(expert: Expert, source: Path | Sequence[Path], output: Path, **options: Any) -> tuple[Tally, list[str]]:
    notes: list[str] = []
    inputs = (source,) if isinstance(source, Path) else tuple(source)
    return run(lambda: expert, Request(inputs, output, **options), Listener(notes.append)), notes


def write_csv(file: Path, rows: Sequence[Sequence[str]], encoding: str = "utf-8", delimiter: str = ",") -> Path:
    with file.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return file


def read_csv(file: Path, encoding: str = "utf-8-sig") -> list[dict[str, str]]:
    with file.open(encoding=encoding, newline="") as stream:
        return list(csv.DictReader(stream))


# ---- one kernel -----------------------------------------------------------------------------------------------------


def test_kernel_and_ask_agree(expert: Expert) -> None:
    texts = [text for *_, text in ROWS if text]
    given = pa.RecordBatch.from_pydict({"id": ["a", "b", "c"], "text": texts, "n": [1, 2, 3]})
    answered = Kernel(expert, Layout(id="id", json=True))(given)
    asked = [explanation.dumps(explanation.to_json(expert.ask(t, id=i, questions=False))) for i, t in zip("abc", texts, strict=True)]
    assert answered.column("answer").to_pylist() == asked
    assert answered.column("n").to_pylist() == [1, 2, 3]
    assert answered.column("scenario").to_pylist() == [json.loads(a)["scenario"] for a in asked]


def test_a_row_that_breaks_the_engine_is_a_row_with_an_error(expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    original = type(expert.tokenizer).tokenize

    def fragile(self: Any, text: str) -> Any:
        if "こわれる" in text:
            raise ValueError(text)
        return original(self, text)

    monkeypatch.setattr(type(expert.tokenizer), "tokenize", fragile)
    answered = Kernel(expert, Layout())(pa.RecordBatch.from_pydict({"text": ["払った", "これでこわれる", None, "払った"]}))
    errors = answered.column("error").to_pylist()
    assert errors[0] is None
    assert errors[3] is None
    assert errors[1] == "内部エラー(ValueError)。開発者に知らせてください。"
    assert errors[2].startswith("文章が空です")


def test_the_kernel_of_an_empty_batch_has_the_columns(expert: Expert) -> None:
    answered = Kernel(expert, Layout())(pa.RecordBatch.from_pydict({"text": pa.array([], pa.string())}))
    assert answered.num_rows == 0
    assert {"scenario", "paid", "amount_jpy", "desks", "error"} <= set(answered.schema.names)


# ---- formats --------------------------------------------------------------------------------------------------------

ENCODINGS = ["utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "utf-16-le", "iso2022_jp"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_encodings_are_found(tmp_path: Path, encoding: str, delimiter: str) -> None:
    file = write_csv(tmp_path / "in.csv", [HEAD, *ROWS], encoding, delimiter)
    source = sources.open_source([file], Options(), columns_wanted=True)
    [chunk] = list(source.chunks())
    assert list(source.columns) == HEAD
    assert chunk.column("相談内容").to_pylist() == [text for *_, text in ROWS]


def test_a_file_that_holds_no_text_is_refused(tmp_path: Path) -> None:
    import random

    file = tmp_path / "in.csv"
    for content in (random.Random(0).randbytes(5000), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + random.Random(1).randbytes(5000)):
        file.write_bytes(content)
        with pytest.raises(InputError, match="文字のファイルではない"):
            encodings.survey(file, text=True)


ZEROS = [
    ("안녕하세요\n".encode("utf-16") * 50, "utf-16"),
    ("払いました\n".encode("utf-16-le") * 50, "utf-16-le"),
    ("払いました\n".encode("utf-16-be") * 50, "utf-16-be"),
    ("id,text\n1,paid\n".encode("utf-16-le"), "utf-16-le"),
    ("払いました\n\0".encode(), "utf-8"),
    (b"id,text\n1,I paid\0\n", "utf-8"),
    ("払いました\n".encode() + b"\0" * 3000, "utf-8"),
]


@pytest.mark.parametrize(("content", "encoding"), ZEROS)
def test_zero_bytes_alone_make_no_binary_file(tmp_path: Path, content: bytes, encoding: str) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    found = encodings.survey(tmp_path / "in.csv", text=True)
    assert (found.size, found.encoding, found.lossy) == (len(content), encoding, False)


def test_a_zero_byte_loses_no_rows(tmp_path: Path, expert: Expert) -> None:
    file = write_csv(tmp_path / "in.csv", [HEAD, *ROWS])
    file.write_bytes(file.read_bytes().replace("払って".encode(), "払\0って".encode()))
    tally, _ = batch(expert, file, tmp_path / "out.csv")
    assert (tally.rows, tally.answered) == (4, 3)


def test_an_encoding_can_be_given_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "in.csv", [HEAD, *ROWS], "cp932")
    assert sources.open_source([file], Options(encoding="sjis"), columns_wanted=True).tables[0].bytes.encoding == "cp932"


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", "idna", "undefined", "punycode", "unicode_escape"])
@pytest.mark.parametrize("of", ["input", "output"])
def test_what_is_no_encoding_of_files_is_refused_at_the_start(tmp_path: Path, encoding: str, of: str) -> None:
    file = write_csv(tmp_path / "in.csv", [HEAD, *ROWS])
    options = {"reading": Options(encoding=encoding)} if of == "input" else {"output_encoding": encoding}
    with pytest.raises(InputError, match=f"文字コード「{encoding}」は知りません"):
        run(_never, Request((file,), tmp_path / "out.csv", **options))
    assert [f.name for f in tmp_path.iterdir()] == ["in.csv"]


def _never() -> Expert:
    raise AssertionError("this has to be refused before the rules are loaded")


def test_one_damaged_byte_is_told_and_does_not_stop_a_file(tmp_path: Path, expert: Expert) -> None:
    file = write_csv(tmp_path / "in.csv", [HEAD, *ROWS], "cp932")
    file.write_bytes(file.read_bytes().replace("宅配".encode("cp932"), "宅配".encode("cp932") + b"\x81 "))
    assert encodings.survey(file, text=True).lossy
    tally, notes = batch(expert, file, tmp_path / "out.csv")
    assert tally.answered == 3
    assert any("読めない文字があります" in note for note in notes)


def inputs(folder: Path) -> list[Path]:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [HEAD, *ROWS]:
        sheet.append(list(row))
    book.save(folder / "in.xlsx")
    pq.write_table(pa.table({name: [row[i] for row in ROWS] for i, name in enumerate(HEAD)}), folder / "in.parquet", row_group_size=2)
    lines = [json.dumps(dict(zip(HEAD, row, strict=True)), ensure_ascii=False) for row in ROWS]
    (folder / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return [write_csv(folder / "in.csv", [HEAD, *ROWS], "cp932"), folder / "in.xlsx", folder / "in.parquet", folder / "in.jsonl"]


def test_every_format_in_and_out_gives_the_same_answers(tmp_path: Path, expert: Expert) -> None:
    tables = []
    for source in inputs(tmp_path):
        for ending in ("csv", "xlsx", "parquet", "tsv"):
            output = tmp_path / f"{source.suffix[1:]}.{ending}"
            batch(expert, source, output)
            tables.append(_cells(output))
    assert tables[0][0][:5] == [*HEAD, "scenario", "scenario_title"]
    assert [row[:2] for row in tables[0][1:]] == [list(row[:2]) for row in ROWS]
    for table in tables[1:]:
        assert table == tables[0]


def _cells(file: Path) -> list[list[str]]:
    """Every format as text, a blank for nothing."""
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        found: list[Sequence[Any]] = [table.column_names, *(list(row.values()) for row in table.to_pylist())]
    elif file.suffix == ".xlsx":
        found = list(openpyxl.load_workbook(file).worksheets[0].iter_rows(values_only=True))
    else:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            found = list(csv.reader(stream, delimiter="\t" if file.suffix == ".tsv" else ","))
    return [[plain(c) or "" for c in row] for row in found]


def test_jsonl_holds_the_published_answers(tmp_path: Path, expert: Expert) -> None:
    source = inputs(tmp_path)[0]
    batch(expert, source, tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == ["A-1", "A-2", "A-3", "A-3"]
    assert lines[2] == {"id": "A-3", "error": "5行目: 文章が空です。何が起きたかを、ふだんの言葉で書いてください。"}
    assert lines[0] == explanation.to_json(expert.ask(ROWS[0][2], id="A-1", questions=False))


def test_types_of_parquet_columns_are_kept(tmp_path: Path, expert: Expert) -> None:
    table = pa.table({"id": [1, 2], "text": ["払った", "開いた"], "score": [0.5, None], "tags": [["a"], []]})
    pq.write_table(table, tmp_path / "in.parquet")
    batch(expert, tmp_path / "in.parquet", tmp_path / "out.parquet")
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.select(["id", "text", "score", "tags"]).equals(table)


def test_xlsx_numbers_and_dates_become_plain_text(tmp_path: Path, expert: Expert) -> None:
    import datetime

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["番号", "日時", "内容"], [], [7, datetime.datetime(2025, 4, 1), "3万円払った"], [8.5, None, "=1+1"]):
        sheet.append(row)
    book.save(tmp_path / "in.xlsx")
    batch(expert, tmp_path / "in.xlsx", tmp_path / "out.csv", report=tmp_path / "r.html")
    rows = read_csv(tmp_path / "out.csv")
    assert [(r["番号"], r["日時"]) for r in rows] == [("7", "2025-04-01"), ("8.5", "")]
    assert "2025-04" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_several_files_and_folders_are_one_table(tmp_path: Path, expert: Expert) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    write_csv(folder / "b.csv", [["内容", "担当"], ["画面が消えません", "佐藤"]])
    write_csv(folder / "a.csv", [["番号", "内容"], ["1", "3万円払った"]])
    (folder / "~$a.xlsx").write_bytes(b"lock of Excel")
    _, notes = batch(expert, folder, tmp_path / "out.csv")
    rows = read_csv(tmp_path / "out.csv")
    assert [(r["番号"], r["内容"], r["担当"]) for r in rows] == [("1", "3万円払った", ""), ("", "画面が消えません", "佐藤")]
    assert any(note.startswith("b.csv: 列は 文=内容") for note in notes)


# ---- grids as people make them --------------------------------------------------------------------------------------


def test_ragged_rows_and_empty_rows_are_kept_and_told(tmp_path: Path, expert: Expert) -> None:
    rows = [["番号", "内容"], ["1"], ["2", "払った", "おまけ"], ["", ""], [], ["2", "開いた"]]
    tally, notes = batch(expert, write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    out = read_csv(tmp_path / "out.csv")
    assert [(r["番号"], r["内容"], r["列3"]) for r in out] == [("1", "", ""), ("2", "払った", "おまけ"), ("2", "開いた", "")]
    assert (tally.rows, tally.answered, tally.failed) == (3, 2, 1)
    assert "in.csv: 列が足りない行が1行あります(足りない分は空とします)" in notes
    assert "in.csv: 見出しより列の多い行が1行あります(はみ出した分は「列N」に入れます)" in notes
    assert "IDの重なる行が1行あります(どれも答えています)" in notes


def test_a_quotation_mark_that_is_not_closed_is_told(tmp_path: Path, expert: Expert) -> None:
    source = tmp_path / "in.csv"
    source.write_text('番号,内容\n1,払った\n2,"開いた\n' + "".join(f"{i},画面が消えません\n" for i in range(3, 99)), encoding="utf-8")
    tally, notes = batch(expert, source, tmp_path / "out.csv")
    assert tally.rows == 2
    assert any("引用符" in note for note in notes)


def test_a_file_without_headings_is_noticed(tmp_path: Path, expert: Expert) -> None:
    long = "知らない番号から電話があり、" * 4 + "3万円払いました"
    tally, notes = batch(expert, write_csv(tmp_path / "in.csv", [["1", long], ["2", long]]), tmp_path / "out.csv")
    assert tally.rows == 2
    assert any("見出しの行はないものとして" in note for note in notes)


def test_a_name_that_the_input_has_gets_a_suffix(tmp_path: Path, expert: Expert) -> None:
    _, notes = batch(expert, write_csv(tmp_path / "in.csv", [["id", "scenario", "text"], ["1", "詐欺", "払った"]]), tmp_path / "out.csv")
    row = read_csv(tmp_path / "out.csv")[0]
    assert row["scenario"] == "詐欺"
    assert row["scenario_kakekomi"]
    assert "列「scenario」は入力にもあるので、答えの列は「scenario_kakekomi」とします" in notes


GUESSES = [
    (["番号", "内容"], [["1", "3万円払いました"]], ("内容", "番号", None)),
    (["ID", "日付", "備考"], [["a", "2025/4/1", "画面が消えません"]], ("備考", "ID", "日付")),
    (["種別", "詳細"], [["電話", "とても長い相談の文がここに書いてある"]], ("詳細", None, None)),
    (["内容", "自由記述"], [["電話", "とても長い相談の文がここに書いてあるので、こちらを読む"]], ("自由記述", None, None)),
    (["x", "y", "z"], [["k1", "令和7年4月1日", "相談の文"], ["k2", "R7.5.1", "相談の文"]], ("z", "x", "y")),
]


@pytest.mark.parametrize(("names", "rows", "found"), GUESSES)
def test_columns_are_guessed(names: list[str], rows: list[list[str]], found: tuple[str, str | None, str | None]) -> None:
    roles = columns.find(names, rows, Wanted())
    assert (roles.text, roles.id, roles.date) == found


def test_named_columns_must_be_there() -> None:
    with pytest.raises(InputError, match="列「本文」がありません。あるのは a、b です。"):
        columns.find(["a", "b"], [["x", "相談"]], Wanted(text="本文"))
    with pytest.raises(InputError, match="--text-column で選んでください"):
        columns.find(["a"], [["123"]], Wanted())


MONTHS = [
    ("2025-04-01", "2025-04"),
    ("2025/4/1 10:00", "2025-04"),
    ("2025年12月3日", "2025-12"),
    ("20250401", "2025-04"),
    ("令和7年4月1日", "2025-04"),
    ("令和元年5月", "2019-05"),
    ("R7.4.1", "2025-04"),
    ("2025-13-01", None),
    ("払った", None),
    ("090-1234-5678", None),
]


@pytest.mark.parametrize(("text", "month"), MONTHS)
def test_months(text: str, month: str | None) -> None:
    assert columns.month(text) == month


# ---- what is written ------------------------------------------------------------------------------------------------


def test_cells_that_would_run_are_harmless(tmp_path: Path, expert: Expert) -> None:
    evil = ["=HYPERLINK(1)", "+81-3", "-2+3", "@SUM(1)", "\t=1", "＝1+1", "-500", "安全"]
    rows = [["番号", "内容", "備考"], *([str(i), "3万円払った", cell] for i, cell in enumerate(evil))]
    source = write_csv(tmp_path / "in.csv", rows)
    _, notes = batch(expert, source, tmp_path / "out.csv")
    assert [r["備考"] for r in read_csv(tmp_path / "out.csv")] == ["'" + c for c in evil[:6]] + evil[6:]
    assert "数式のように始まるセルの頭に「'」をつけました(6か所)" in notes
    batch(expert, source, tmp_path / "out.xlsx")
    cells = [c for (c,) in openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0].iter_rows(2, min_col=3, max_col=3)]
    assert {c.data_type for c in cells} == {"s"}


def test_csv_for_excel_has_a_bom_and_crlf(tmp_path: Path, expert: Expert) -> None:
    batch(expert, inputs(tmp_path)[0], tmp_path / "out.csv")
    content = (tmp_path / "out.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == 1 + len(ROWS)


def test_cp932_output_replaces_and_counts_what_it_does_not_have(tmp_path: Path, expert: Expert) -> None:
    source = write_csv(tmp_path / "in.csv", [["内容"], ["3万円払った😀〜𠮷"]])
    _, notes = batch(expert, source, tmp_path / "out.csv", output_encoding="cp932")
    assert read_csv(tmp_path / "out.csv", "cp932")[0]["内容"] == "3万円払った〓〜〓".replace("〜", "\uff5e")
    assert "cp932 で書けない文字を「〓」にしました(2か所)" in notes


def test_an_unknown_ending_is_refused(tmp_path: Path, expert: Expert) -> None:
    with pytest.raises(InputError, match=r"名前の終わりを \.jsonl、\.ndjson、\.csv"):
        batch(expert, inputs(tmp_path)[0], tmp_path / "out.docx")


PLACES = [
    ("in.csv", "out.csv", "in.csv", "in.csv が入力と同じファイルです"),
    ("in.csv", "in.csv", None, "in.csv が入力と同じファイルです"),
    ("in.csv", "link.csv", None, "link.csv が入力と同じファイルです"),
    (".", "out.csv", "in.csv", "in.csv が入力と同じファイルです"),
    ("in.csv", "out.csv", "out.csv", "out.csv に、二つの出力を書くことになります"),
    ("in.csv", "out.csv", "nowhere/../out.csv", "というフォルダがありません"),
    ("in.csv", "out.csv", "nowhere/r.html", "nowhere というフォルダがありません"),
    ("in.csv", "nowhere/out.csv", None, "nowhere というフォルダがありません"),
    ("in.csv", "out.csv", "folder", "folder はフォルダです"),
]


@pytest.mark.parametrize(("source", "output", "report", "message"), PLACES)
def test_no_output_takes_the_place_of_something_else(tmp_path: Path, source: str, output: str, report: str | None, message: str) -> None:
    before = write_csv(tmp_path / "in.csv", [HEAD, *ROWS]).read_bytes()
    (tmp_path / "link.csv").hardlink_to(tmp_path / "in.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=message):
        run(_never, Request((tmp_path / source,), tmp_path / output, force=True, report=tmp_path / report if report else None))
    assert (tmp_path / "in.csv").read_bytes() == before
    assert not (tmp_path / "out.csv").exists()


def test_an_output_among_the_inputs_of_a_folder_is_left_out_and_told(tmp_path: Path, expert: Expert) -> None:
    write_csv(tmp_path / "in.csv", [HEAD, *ROWS])
    batch(expert, tmp_path, tmp_path / "out.csv")
    tally, notes = batch(expert, tmp_path, tmp_path / "out.csv", force=True)
    assert tally.rows == len(ROWS)
    assert f"{tmp_path / 'out.csv'} は出力なので、入力に数えません" in notes


REFUSED = [
    (b"\xd0\xcf\x11\xe0old", "in.xls", "古い形式"),
    (b"PK\x03\x04damaged", "in.xlsx", "Excelブック"),
    (b"PAR1damaged", "in.parquet", "Parquetとして読めません"),
    (b'[{"text": "x"}]', "in.json", "JSONの配列"),
    ("番号\n123\n".encode(), "in.csv", "相談の文がある列がわかりません"),
]


@pytest.mark.parametrize(("content", "name", "message"), REFUSED)
def test_unusable_input_is_one_clear_sentence(tmp_path: Path, expert: Expert, content: bytes, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        batch(expert, tmp_path / name, tmp_path / "out.csv")
    assert [f.name for f in tmp_path.iterdir()] == [name]


def _damaged_book(file: Path) -> None:
    """A workbook whose sheet ends in the middle of a row."""
    whole = file.with_name("whole.xlsx")
    book = openpyxl.Workbook()
    for row in [HEAD, *ROWS]:
        book.active.append(row)
    book.save(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[: len(content) * 2 // 3] if "sheet1" in name else content)
    whole.unlink()


def _damaged_parquet(file: Path) -> None:
    """The footer is whole, the rows are not."""
    pq.write_table(pa.table({"内容": [f"{i}番目に、覚えのない請求が来ました" for i in range(5_000)]}), file, use_dictionary=False)
    content = bytearray(file.read_bytes())
    content[100 : len(content) // 2] = bytes(len(content) // 2 - 100)
    file.write_bytes(content)


DAMAGED = [("in.xlsx", _damaged_book, "行目から先を読めません"), ("in.parquet", _damaged_parquet, "Parquetとして読めません")]


@pytest.mark.parametrize(("name", "make", "message"), DAMAGED)
def test_a_damaged_file_is_one_clear_sentence(tmp_path: Path, expert: Expert, name: str, make: Callable[[Path], None], message: str) -> None:
    make(tmp_path / name)
    with pytest.raises(InputError, match=message):
        batch(expert, tmp_path / name, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_sheet_of_charts_is_no_table(tmp_path: Path, expert: Expert) -> None:
    book = openpyxl.Workbook()
    for row in [HEAD, *ROWS]:
        book.active.append(row)
    book.create_chartsheet("グラフ", 0).add_chart(openpyxl.chart.BarChart())
    book.save(tmp_path / "in.xlsx")
    tally, _ = batch(expert, tmp_path / "in.xlsx", tmp_path / "out.csv")
    assert tally.rows == len(ROWS)
    with pytest.raises(InputError, match="表のシート「グラフ」がありません。あるのは Sheet です"):
        batch(expert, tmp_path / "in.xlsx", tmp_path / "out.csv", reading=Options(sheet="グラフ"), force=True)


@pytest.mark.parametrize(
    ("id", "fault"), [("1.5", "id は文字か整数にしてください"), ("[1]", "id は文字か整数"), ("true", "id は文字か整数"), ("7", None)]
)
def test_an_id_in_json_is_a_string_or_a_whole_number(tmp_path: Path, expert: Expert, id: str, fault: str | None) -> None:
    (tmp_path / "in.jsonl").write_text(f'{{"id": {id}, "text": "{ROWS[0][2]}"}}\n', encoding="utf-8")
    tally, _ = batch(expert, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    answer = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert tally.failed == (fault is not None)
    assert fault in answer["error"] if fault else answer["id"] == 7


def test_an_empty_file_gives_an_empty_table(tmp_path: Path, expert: Expert) -> None:
    (tmp_path / "in.csv").write_text("番号,内容\n", encoding="utf-8")
    tally, notes = batch(expert, tmp_path / "in.csv", tmp_path / "out.csv")
    assert tally.rows == 0
    assert "入力に行がありません" in notes
    assert (tmp_path / "out.csv").read_text(encoding="utf-8-sig").startswith("番号,内容,scenario,")


# ---- the report -----------------------------------------------------------------------------------------------------


def test_the_report_holds_charts_and_no_text_unless_asked(tmp_path: Path, expert: Expert) -> None:
    source = inputs(tmp_path)[0]
    batch(expert, source, tmp_path / "out.csv", report=tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 5
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "<script" not in page
    assert "2025-04" in page
    assert "アダルトサイトで登録完了" not in page
    batch(expert, source, tmp_path / "out2.csv", report=tmp_path / "r2.html", samples=2, reading=Options(chunk_rows=1))
    assert (tmp_path / "r2.html").read_text(encoding="utf-8").count("<blockquote>") == 2


def test_the_counts_of_chunks_add_up(tmp_path: Path, expert: Expert) -> None:
    source = inputs(tmp_path)[0]
    whole, _ = batch(expert, source, tmp_path / "a.jsonl")
    parts, _ = batch(expert, source, tmp_path / "b.jsonl", reading=Options(chunk_rows=1))
    assert whole == parts
    assert whole.yen == 30_000
    assert whole.of("fact")["paid=yes"] == 1
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
