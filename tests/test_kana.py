"""A text in kana is read as it is usually written, and what is shown are still the person's own words."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval import kana_units
from expert import checks, kana_kanji, knowledge
from expert.errors import KnowledgeError
from expert.explanation import page
from expert.kana_kanji import KanaKanjiConverter, is_kana
from expert.pipeline import Expert
from expert.tokenizer import Tokenizer

from .conftest import ROOT

TOKENIZER = Tokenizer(ROOT / "rules" / "kana.tsv")
CONVERTER = KanaKanjiConverter(partial(kana_kanji.read, ROOT / "rules" / "kana.tsv"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("おかねをふりこんでしまいました", "お金を振り込んでしまいました"),
        ("まだ おかねは はらっていません", "まだお金は払っていません"),
        ("ぎんこうのらんすうひょうを、ぜんぶいれました", "銀行の乱数表を、全部入れました"),
        ("ﾊﾟｿｺﾝﾉ ｶﾞﾒﾝｶﾞ ｷｴﾏｾﾝ", "パソコンの画面が消えません"),
        ("カードノ バンゴウヲ オシエマシタ", "カードの番号を教えました"),
        ("3かい でんわが ありました", "3回電話がありました"),
        ("30マンエン貸シテト イワレ 先週フリコミマシタ", "30万円貸してと言われ先週振り込みました"),
        ("まだ ひとつき きません", "まだひと月来ません"),
        ("もういきていたくない", "もう生きていたくない"),
        ("ころされそうです", "殺されそうです"),
        ("うんともすんともいいません", "うんともすんとも言いません"),
        ("うちにきたひとに わたしてしまいました", "うちに来た人に渡してしまいました"),
        ("わたしは なにも わたしていません", "私はなにも渡していません"),
        ("はらったのは わたしです", "払ったのは私です"),
        ("なぐられて けられてる", "殴られて蹴られてる"),
        ("でんわを かけられてます", "電話をかけられてます"),
        ("まだ おかねを かえしてへん", "まだお金を返してへん"),
        ("でんわを とりました", "電話を取りました"),
        ("IDとパスを 教えたのは わたしです", "IDとパスを教えたのはわたしです"),
        ("ワクワクぴょんぴょん", "ワクワクぴょんぴょん"),
    ],
)
def test_a_text_in_kana_is_read_as_it_is_usually_written(written: str, read: str) -> None:
    assert TOKENIZER.tokenize(written).normal == read


@pytest.mark.parametrize(
    ("normal", "kana"),
    [
        ("おかねをはらってしまいました", True),
        ("パソコンノガメンガキエマセン", True),
        ("わたしは5まんえんおくりました。国のかぞくにいえません。とてもこまっています", True),
        ("夜おそく人がきて、おかねをはらえといわれました", False),
        ("わたしの娘がへんなサイトにとうろくしてしまいました", True),
        ("今月ノ電話代ヲ振リ込ムヨウニ言ワレ払イマシタ", True),
        ("有料サイト登録、料金未納メール受信", False),
        ("お金を払ってしまいました", False),
        ("アダルトサイトをみていたらとつぜん登録完了と表示された", False),
        ("ネットフリックスってテレビでみれますか", True),
        ("PayPay", False),
        ("", False),
        ("😭😭😭😭😭😭😭😭😭😭😭😭😭", False),
    ],
)
def test_what_counts_as_kana(normal: str, kana: bool) -> None:
    assert is_kana(normal) is kana


@pytest.mark.parametrize(
    ("text", "fact", "value", "words"),
    [
        ("めるかりで くつを かいました。おかねを ぎんこうで ふりこみました。くつは きません。", "paid", "yes", "ふりこみました"),
        ("ｶｰﾄﾞﾉﾊﾞﾝｺﾞｳｦ ﾆｭｳﾘｮｸｼﾃｼﾏｲﾏｼﾀ", "card_entered", "yes", "ｶｰﾄﾞﾉﾊﾞﾝｺﾞｳｦ ﾆｭｳﾘｮｸｼﾃｼﾏｲﾏｼﾀ"),
        ("へんなせいきゅうがきましたが、おかねははらっていません", "paid", "no", "おかねははらっていません"),
    ],
)
def test_the_words_shown_are_those_of_the_person(expert: Expert, text: str, fact: str, value: str, words: str) -> None:
    found = next(f for f in expert.ask(text).facts if f.id == fact)
    assert found.value == value
    assert words in found.evidence[0].text
    assert all(text[e.start : e.end] == e.text for e in found.evidence)


def test_how_it_was_read_is_explained(expert: Expert) -> None:
    def explained(text: str) -> str:
        return "\n".join(line for _, line in page(expert.ask(text), expert.knowledge, explain=True))

    assert "読みました: 変なメールが来ました" in explained("へんなめーるがきました")
    assert "読みました" not in explained("変なメールが来ました")


@given(st.text(alphabet=st.sampled_from("おかねをはらっためーるーきましたｶﾞｷﾞ 　\n。12万アイ😭"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_offsets_stay_in_order_and_in_range(given_text: str) -> None:
    text = TOKENIZER.tokenize(given_text)
    if text.origin is not None:
        assert len(text.origin) == len(text.normal) + 1
        assert list(text.origin) == sorted(text.origin)
        assert text.origin[-1] == len(given_text)
    for i in range(len(text.lemmas)):
        span = text.original(*text.place(i))
        assert 0 <= span.start < span.end <= len(given_text)


@given(st.text(alphabet=st.sampled_from("おかねはらったきます12万アー"), max_size=40))
@settings(max_examples=200, deadline=None)
def test_units_cover_the_text(normal: str) -> None:
    places = [place for start, end, _ in CONVERTER.pieces(normal) for place in range(start, end)]
    assert places == list(range(len(normal)))


@pytest.mark.parametrize("line", ["かな", "かな\t仮名", "かな\t仮名\t0", "かな\t仮名\tx", "\t仮名\t1", "かな\t\t1", "かな" * 9 + "\t仮名\t1"])
def test_a_faulty_line_is_named_with_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "kana.tsv"
    file.write_text(f"# 読み\nおかね\tお金\t3\n{line}\n", encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"kana\.tsv:3: "):
        kana_kanji.read(file)


def test_a_reading_that_stands_twice_is_named(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", rules)
    with (rules / "kana.tsv").open("a", encoding="utf-8") as file:
        file.write("おかね\t御金\t5\n")
    remarks = [r for r in checks.advise(knowledge.load(rules)) if r.severity == "error"]
    assert ["上の行にもあります" in r.text for r in remarks] == [True]


def test_other_units_are_other_knowledge(tmp_path: Path) -> None:
    """The model is trained anew, since it sees other words."""
    rules = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", rules)
    (rules / "kana.tsv").unlink()
    bare, whole = knowledge.load(rules), knowledge.load()
    assert bare.kana is None
    assert bare.kana_version != whole.kana_version
    assert Tokenizer(bare.kana).tokenize("おかねをはらった").normal == "おかねをはらった"


def test_units_are_made_from_texts() -> None:
    texts = ["日本の銀行にお金を3回振り込みました。", "お金を振り込みました。", "わたしはかな"] * 30
    found = list(kana_units.runs(texts))
    units = kana_units.counted(found)
    assert units["おかねを"] == ("お金を", 60)
    assert units["0かい"] == ("0回", 30)
    assert units["にほんの"][0] == "日本の"
    assert "わたし" not in units
    kept = kana_units.used(units, ["おかねをふりこみました"] * 5, 5)
    assert "".join(written for written, _ in kept.values()) == "お金を振り込みました"
    assert kana_units.used(units, ["おかねをふりこみました"] * 4, 5) == {}
