"""Personal data out of what is written: one line a case; 〔…〕 marks what has to go."""

import csv
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expert.batch import masking
from expert.batch.runner import Request, run
from expert.pipeline import Expert

CASES = [
    "電話は〔090-1234-5678〕です",
    "電話は〔０９０１２３４５６７８〕です",
    "〔03(1234)5678〕にかけた",
    "〔0120-444-444〕から着信",
    "携帯は〔090 - 1234 - 5678〕です",
    "〔090 12345678〕に折り返し",
    "〔０９０　１２３４５６７８〕に折り返し",
    "〔090/1234/5678〕と書いてあった",
    "04/01/2025 に払い、2025/04/01 に届いた",
    "国際電話〔+81 90-1234-5678〕",
    "〔taro.yamada+x@mail.example.co.jp〕に届いた",
    "カード〔4111 1111 1111 1111〕を入れた",
    "カード番号は〔4111111111111111〕です",
    "口座番号〔1234567〕に3万円",
    "みずほ銀行新宿支店 普通〔7654321〕 ヤマダ",
    "ゆうちょの記号〔12345〕番号〔12345678〕",
    "〔〒160-0023〕に住んでいます",
    "東京都〔新宿区西新宿2-8-1〕に届いた",
    "〔大阪市北区梅田一丁目1番3号〕です",
    "3万円を5000円と30,000円で払った",
    "2025年4月1日に10000000円払った",
    "188や#9110や110に電話",
    "受付番号 20250012",
    "横浜市のコンビニで3万円分を5枚",
    "10時から12時に、080円ではなく100円",
]


@pytest.mark.parametrize("case", CASES)
def test_what_is_covered(case: str) -> None:
    text = re.sub("[〔〕]", "", case)
    marked = re.sub("〔(.*?)〕", lambda m: masking.cover(m[1]), case)
    assert masking.mask(text) == marked
    assert len(masking.mask(text)) == len(text)


def test_a_long_run_of_letters_is_no_trouble() -> None:
    text = "a" * 300_000 + "090-1234-5678"
    assert masking.mask(text) == "a" * 300_000 + masking.cover("090-1234-5678")
    assert masking.mask("a" * 300_000 + "@example.com").endswith(masking.cover("a" * 64 + "@example.com"))


TEXT = "03-1234-5678 から電話があり、口座番号1234567に3万円振り込んでしまいました。taro@example.com"


def test_everything_written_is_masked_and_offsets_stay(tmp_path: Path, expert: Expert) -> None:
    source = tmp_path / "in.csv"
    rows = [["番号", "内容", "備考", "電話番号", "住所"], ["1", TEXT, "折り返し 090-1111-2222", "0312345678", "渋谷"]]
    with source.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    request = Request((source,), tmp_path / "out.csv", mask=True, report=tmp_path / "r.html", samples=1)
    run(lambda: expert, request)
    run(lambda: expert, Request((source,), tmp_path / "out.jsonl", mask=True))
    written = "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("out.csv", "out.jsonl", "r.html"))
    for secret in ("1234-5678", "1234567", "taro", "1111-2222", "0312345678", "渋谷"):
        assert secret not in written
    answer = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    plain = expert.ask(TEXT, id="1", questions=False)
    hidden = masking.mask(TEXT)
    for fact in plain.facts:
        found = answer["facts"][fact.id]["evidence"]
        assert [(e["start"], e["end"]) for e in found] == [(e.start, e.end) for e in fact.evidence]
        assert [e["text"] for e in found] == [hidden[e.start : e.end] for e in fact.evidence]
    assert answer["scenario"] == plain.scenario


def test_nested_cells_and_bytes_are_masked_too(tmp_path: Path, expert: Expert) -> None:
    cells = {
        "内容": [TEXT],
        "返信": [["090-1111-2222 から"]],
        "受付": [{"備考": "taro@example.com"}],
        "生": [b"090-3333-4444"],
        "束": [[b"03-1234-5678"]],
        "件数": [3],
    }
    pq.write_table(pa.table(cells), tmp_path / "in.parquet")
    run(lambda: expert, Request((tmp_path / "in.parquet",), tmp_path / "out.parquet", mask=True))
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.column("返信").to_pylist() == [f'["{masking.mask("090-1111-2222")} から"]']
    assert "taro" not in str(written.to_pydict())
    assert written.column("生").to_pylist() == [masking.mask("090-3333-4444")]
    assert written.column("束").to_pylist() == [f'["{masking.mask("03-1234-5678")}"]']
    assert written.column("件数").to_pylist() == [3]
