"""Offsets: every span points at the words of the text as given, whatever Unicode the text is written in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expert.tokenizer import Tokenizer, fold

TOKENIZER = Tokenizer()


@pytest.mark.parametrize(
    ("given_text", "words"),
    [
        ("3万円振り込んでしまいました", "振り込ん"),
        ("え…振り込んじゃった", "振り込ん"),
        ("😭😭振り込んだ", "振り込ん"),
        ("ｶｰﾄﾞで３万円ﾌﾘｺﾝﾀﾞ", "ｶｰﾄﾞ"),
        ("ｶﾞｰﾄﾞｶﾞ ﾊﾟｽﾜｰﾄﾞ入れた", "入れ"),
        ("か\u3099めんが消えない", "消え"),
        ("わるい　しゃしんが きえません", "きえ"),
        ("㈱と書いてある㍿に払った", "払っ"),
        ("ﾊﾟ" * 30 + "払った", "払っ"),
        ("\u200b払\u200bった", "払"),
        ("a\x00b払った", "払っ"),
    ],
)
def test_a_token_points_at_its_own_words(given_text: str, words: str) -> None:
    text = TOKENIZER.tokenize(given_text)
    spans = [text.original(*text.place(i)) for i in range(len(text.lemmas))]
    assert words in [given_text[s.start : s.end] for s in spans]


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_folding_keeps_offsets_in_order_and_in_range(given_text: str) -> None:
    normal, origin = fold(given_text)
    if origin is None:
        assert len(normal) == len(given_text)
        return
    assert len(origin) == len(normal) + 1
    assert list(origin) == sorted(origin)
    assert origin[-1] == len(given_text)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_tokenized(given_text: str) -> None:
    text = TOKENIZER.tokenize(given_text)
    for i in range(len(text.lemmas)):
        span = text.original(*text.place(i))
        assert 0 <= span.start < span.end <= len(given_text)


def test_what_stands_in_brackets_is_no_reading() -> None:
    text = TOKENIZER.tokenize("電話(まだ)、支払い(なし)")
    assert [text.normal[slice(*text.place(i))] for i in range(len(text.lemmas))] == ["電話", "(", "まだ", ")", "、", "支払い", "(", "なし", ")"]


@pytest.mark.parametrize(
    "given_text", ["振込済みです。え、いや、未払い", "ｶｰﾄﾞ番号を入れてもうた", "LINEとiPhoneで、APPLEのＩＤを入れた", "え😭かけたーーー"]
)
def test_the_fields_and_plugins_left_out_change_nothing(given_text: str) -> None:
    from sudachipy import Dictionary, SplitMode

    full = Dictionary(dict="core").tokenizer(mode=SplitMode.C)
    normal, _ = fold(given_text)
    rows = [(m.normalized_form(), m.begin(), m.end()) for m in full.tokenize(normal) if m.surface().strip()]
    text = TOKENIZER.tokenize(given_text)
    assert rows == [(lemma, *text.place(i)) for i, lemma in enumerate(text.lemmas)]
    kinds = [m.part_of_speech_id() for m in full.tokenize(normal) if m.surface().strip()]
    assert kinds == [text._morphemes[i].part_of_speech_id() for i in range(len(text.lemmas))]


@pytest.mark.parametrize(
    ("pattern", "literal", "splits"),
    [
        ("先生(の人|x)に", "先生", True),
        ("先生", "先生", True),
        ("先生[|]x", "先生", True),
        (r"先生\|x", "先生", True),
        ("先生[^]|]x", "先生", True),
        ("先生|x", "先生", False),
        ("先生?x", "先生", False),
        ("先(生|x)", "先生", False),
        ("a.b", "a.", False),
        ("先生", "", False),
    ],
)
def test_a_literal_head_is_split_off_only_where_the_rest_is_a_pattern(pattern: str, literal: str, splits: bool) -> None:
    from expert.literals import begins_with

    assert begins_with(pattern, literal) is splits
