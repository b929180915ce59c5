"""The command as a user meets it: what is printed, where, and with which exit code."""

import json
import os
import stat
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from expert import Expert
from expert.cli import ask

from .conftest import ROOT

SAMPLE = "アダルトサイトで登録完了と出て、3万円振り込んでしまいました"


def run(*arguments: str, given: str | bytes = "", **environment: str) -> subprocess.CompletedProcess[str]:
    data = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given
    done = subprocess.run(
        [sys.executable, "-c", "from expert.cli import main; main()", *arguments],
        input=data,
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
        timeout=120,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


@pytest.fixture(autouse=True)
def _trained(expert: Expert) -> None:
    """The cache holds the model, so that commands start fast."""
    assert expert.model


def test_ask_prints_the_most_urgent_first() -> None:
    done = run("ask", SAMPLE)
    assert done.returncode == 0
    headings = [line for line in done.stdout.splitlines() if line.startswith("■")]
    assert headings[0] == "■ ご相談の内容: だまされてお金を払ってしまった"
    assert headings[1:3] == ["■ いますぐすること", "■ 絶対にしないこと"]
    assert "「振り込んでしまいました」" in done.stdout
    assert "\x1b[" not in done.stdout


def test_ask_reads_standard_input() -> None:
    assert json.loads(run("ask", "--json", given=SAMPLE).stdout)["scenario"] == "paid_scammer"


def test_words_without_quotes_and_a_dash_are_understood() -> None:
    assert json.loads(run("ask", "--json", "3万円", "振り込みました").stdout)["attributes"]["amount_jpy"] == 30000
    assert json.loads(run("ask", "--json", "-", given=SAMPLE).stdout)["scenario"] == "paid_scammer"


def test_an_emergency_stands_before_everything() -> None:
    lines = run("ask", "薬をたくさん飲みました。もう死にたいです").stdout.splitlines()
    assert next(line for line in lines if line.startswith("■")) == "■ まず、命を守ること"
    assert "110番" in lines[lines.index("■ まず、命を守ること") + 1]
    assert "119番" in lines[lines.index("■ まず、命を守ること") + 1]


def test_english_is_told_where_to_call_and_asked_nothing() -> None:
    out = run("ask", "I entered my credit card number into a fake site. What should I do?").stdout
    assert "188" in out
    assert "Japanese only" in out
    assert "もっとはっきり答えられます" not in out


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("はい", "yes"),
        ("しました", "yes"),
        ("電話をかけました", "yes"),
        ("まだです", "no"),
        ("まだ", "no"),
        ("払っていません", "no"),
        ("ないです", "no"),
        ("わからない", None),
        ("分かりません", None),
        ("知らないです", None),
        ("たぶん", None),
        ("", None),
    ],
)
def test_replies_as_people_give_them(expert: Expert, reply: str, value: str | None) -> None:
    from expert.cli.ask import _value

    assert _value("paid", reply, expert) == value


def test_explain_names_rules_sources_and_dates() -> None:
    out = run("ask", "--explain", SAMPLE).stdout
    assert "規則 " in out
    assert "出典 http" in out
    assert "確認日 2026-" in out
    assert "fact:paid=yes" in out


def test_what_if_shows_what_appears_and_what_goes() -> None:
    out = run("ask", "--what-if", "card_entered=yes", "宅配のSMSのリンクを開きました").stdout
    assert "増えるもの" in out
    assert "stop_card" in out
    assert "場面: " in out


def test_assume_flips_a_fact() -> None:
    answer = json.loads(run("ask", "--json", "--assume", "paid=no", SAMPLE).stdout)
    assert answer["facts"]["paid"]["value"] == "no"
    both = json.loads(run("ask", "--json", "--assume", "payment_method=credit_card", "--assume", "payment_method=prepaid", "お金を払いました").stdout)
    assert both["attributes"]["payment_method"] == ["credit_card", "prepaid"]


def test_the_hidden_sample_is_said() -> None:
    done = run("ask", "--sample-if-empty", SAMPLE)
    assert done.returncode == 0
    assert "例文に答えます" in done.stderr


FAULTY = [
    ((), "", "文章が空です"),
    (("あ" * 10_001,), "", "文章が長すぎます(10,001文字)"),
    (("--assume", "nonsense", "払った"), "", "「nonsense」という事実はありません"),
    (("--assume", "paid=maybe", "払った"), "", "「paid=maybe」の値は使えません"),
    (("--assume", "payment_method=credit_card,gold", "払った"), "", "「payment_method=credit_card,gold」の値は使えません"),
]


@pytest.mark.parametrize(("arguments", "given", "message"), FAULTY)
def test_faulty_input_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...], given: str, message: str) -> None:
    done = run("ask", *arguments, given=given)
    assert done.returncode == 2
    assert done.stderr.startswith("エラー: " + message)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_fifty_thousand_characters_are_refused() -> None:
    done = run("ask", "--json", given="払った" * 17_000)
    assert done.returncode == 2
    assert "文章が長すぎます" in done.stderr


def test_piped_shift_jis_is_read_and_other_bytes_are_refused() -> None:
    done = run("ask", "--json", given="3万円振り込んでしまいました".encode("cp932"))
    assert json.loads(done.stdout)["facts"]["paid"]["value"] == "yes"
    done = run("ask", "--json", given=b"\x81\xff\xfe\x80")
    assert done.returncode == 2
    assert "文字コードが分かりません" in done.stderr


def test_a_wrong_option_is_told_in_japanese() -> None:
    done = run("ask", "--nosuch")
    assert done.returncode == 2
    assert done.stderr.startswith("エラー: 指定のしかたが違います")


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("はい、そうです", "yes"),
        ("はい、2万円", "yes"),
        ("間違いありません", "yes"),
        ("払いました", "yes"),
        ("いいえ、まだです", "no"),
        ("払っていません", "no"),
        ("覚えていません", None),
        ("入れたかもしれない", None),
        ("記憶にない", None),
        ("\uff1f", None),
    ],
)
def test_a_reply_of_doubt_is_no_denial(expert: Expert, reply: str, value: str | None) -> None:
    assert ask._value("paid", unicodedata.normalize("NFKC", reply), expert) == value


@pytest.mark.parametrize(
    ("reply", "method"), [("1", "bank_transfer"), ("電子マネー", "prepaid"), ("ペイペイ", "qr_payment"), ("い", None), ("99", None)]
)
def test_a_way_of_payment_is_understood_by_number_title_and_common_name(expert: Expert, reply: str, method: str | None) -> None:
    assert ask._value("payment_method", reply, expert) == method


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six examples a scenario: trained in a second or two."""
    train = tmp_path_factory.mktemp("corpus") / "train"
    train.mkdir()
    for file in (ROOT / "corpus" / "train").glob("*.jsonl"):
        (train / file.name).write_text("\n".join(file.read_text(encoding="utf-8").split("\n")[:6]), encoding="utf-8")
    return train.parent


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, small_corpus: Path) -> tuple[str, str]:
    """The answer to the sample with a new cache, and the name of the model's file."""
    place = tmp_path_factory.mktemp("cache")
    first = run("ask", "--json", SAMPLE, KAKEKOMI_CACHE=str(place), KAKEKOMI_CORPUS=str(small_corpus))
    (file,) = place.glob("*.npz")
    return first.stdout, file.name


@pytest.mark.parametrize("damage", [None, b"", b"garbage", b"PK\x03\x04broken"])
def test_a_missing_or_damaged_cache_costs_time_and_nothing_else(
    tmp_path: Path, small_corpus: Path, trained: tuple[str, str], damage: bytes | None
) -> None:
    answer, name = trained
    if damage is not None:
        (tmp_path / name).write_bytes(damage)
        (tmp_path / name.replace("model-", "literals-")).with_suffix(".json").write_bytes(damage)
    place = {"KAKEKOMI_CACHE": str(tmp_path), "KAKEKOMI_CORPUS": str(small_corpus)}
    again = run("ask", "--json", SAMPLE, **place)
    assert "はじめての準備" in again.stderr
    assert json.loads(again.stdout) == json.loads(answer)
    kept = run("ask", "--json", SAMPLE, **place)
    assert (kept.stdout, kept.stderr) == (answer, "")


def test_a_model_whose_weights_were_changed_is_not_used(tmp_path: Path, small_corpus: Path, trained: tuple[str, str]) -> None:
    answer, name = trained
    place = {"KAKEKOMI_CACHE": str(tmp_path), "KAKEKOMI_CORPUS": str(small_corpus)}
    run("ask", "--json", SAMPLE, **place)
    with np.load(tmp_path / name) as kept:
        data = dict(kept)
    data["weights"] = -data["weights"]
    np.savez(tmp_path / name, **data)
    again = run("ask", "--json", SAMPLE, **place)
    assert "はじめての準備" in again.stderr
    assert json.loads(again.stdout) == json.loads(answer)


def test_only_the_models_used_last_are_kept(tmp_path: Path, small_corpus: Path, trained: tuple[str, str]) -> None:
    for age in range(6):
        old = tmp_path / f"model-{age}.npz"
        old.write_bytes(b"")
        os.utime(old, (age, age))
    run("ask", "--json", SAMPLE, KAKEKOMI_CACHE=str(tmp_path), KAKEKOMI_CORPUS=str(small_corpus))
    assert {f.name for f in tmp_path.glob("*.npz")} == {"model-3.npz", "model-4.npz", "model-5.npz", trained[1]}


def test_an_unwritable_cache_costs_time_and_nothing_else(tmp_path: Path, small_corpus: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    blocked.chmod(stat.S_IREAD)
    done = run("ask", "--json", SAMPLE, KAKEKOMI_CACHE=str(blocked), KAKEKOMI_CORPUS=str(small_corpus))
    assert json.loads(done.stdout)["facts"]["paid"]["value"] == "yes"


def test_broken_knowledge_is_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("rules: [", encoding="utf-8")
    done = run("check", KAKEKOMI_RULES=str(tmp_path))
    assert done.returncode == 3
    assert "x.yaml:2: YAMLとして読めません" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_that_cannot_be_imported_is_exit_code_4(tmp_path: Path) -> None:
    (tmp_path / "durable").mkdir()
    (tmp_path / "durable" / "__init__.py").write_text("raise ImportError('no C extension')")
    done = run("ask", SAMPLE, PYTHONPATH=str(tmp_path))
    assert done.returncode == 4
    assert "規則エンジン(durable_rules)を読み込めません。Cコンパイラ(gcc)を入れてから" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_passes_on_the_knowledge_here() -> None:
    done = run("check")
    assert done.returncode == 0
    assert "誤りはありません" in done.stdout


def test_batch_keeps_order_and_loses_nothing(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = ['{"id": "a", "text": "3万円振り込んだ"}', "not json", "", '{"id": 7, "text": "画面が消えない"}', '{"id": "e", "text": ""}']
    source.write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = run("batch", str(source), "-o", str(output))
    answers = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [a["id"] for a in answers] == ["a", 2, 7, "e"]
    assert ["error" in a for a in answers] == [False, True, False, True]
    assert done.returncode == 1
    assert "4件: 答え2件" in done.stderr
    assert "だまされてお金を払ってしまった 1件" in done.stderr


def test_batch_does_not_overwrite(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "払った"}\n', encoding="utf-8")
    output.write_text("precious", encoding="utf-8")
    done = run("batch", str(source), "-o", str(output))
    assert done.returncode == 2
    assert "もうあります" in done.stderr
    assert output.read_text(encoding="utf-8") == "precious"
    assert run("batch", str(source), "-o", str(output), "--force").returncode == 0


def test_batch_and_ask_agree(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"id": "case-1", "text": SAMPLE}) + "\n", encoding="utf-8")
    run("batch", str(source), "-o", str(output))
    asked = json.loads(run("ask", "--json", SAMPLE).stdout)
    assert json.loads(output.read_text(encoding="utf-8")) == {**asked, "questions": []}


@pytest.mark.parametrize("command", [[], ["ask"], ["batch"], ["check"]])
def test_help_is_japanese(command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0
    assert any("\u3040" <= c <= "\u30ff" for c in done.stdout)


def test_wrapping_counts_japanese_characters_as_two_and_keeps_closing_marks() -> None:
    from expert.cli.ask import wrap

    assert wrap("あいうえお。かきく", 10) == ["あいうえお。", "かきく"]
    assert wrap("abcde", 10) == ["abcde"]
