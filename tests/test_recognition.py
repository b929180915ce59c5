"""Two readers of facts: what the rules read, and what the model has learnt from whole stories."""

import pytest

from expert.domain import Fact, Mention, TokenizedText
from expert.pipeline import Expert
from expert.recognition import Recognizer

LONG = "あ" * 51
TOLD = (
    "先月の終わりごろ、銀行から届いた確認のメールのとおりに、画面に契約者番号と暗証番号、それにカードの裏の数字の表まで入れました。"
    "きのう記帳に行きましたら、残高がすっかり空になっていて、知らない名前のところへ三度に分けて出ていったことになっておりました。"
)


def text(normal: str) -> TokenizedText:
    return TokenizedText(normal, normal, None, [], [], lambda _: 0)


def settle(normal: str, value: float, *, read: str | None = None, spoken_of: bool = False, fact: str = "paid") -> str | None:
    recognizer = Recognizer([fact], {"concept": fact})
    mentions = [Mention("concept", 0, 0, 2)] if spoken_of or read else []
    known = [Fact(fact, read, ())] if read in ("yes", "no") else []  # type: ignore[arg-type]
    return next((f.value for f in recognizer.settle(text(normal), mentions, known, [value], lambda _, names: [(0, 2)] * len(names))), None)


@pytest.mark.parametrize(
    ("value", "more", "settled"),
    [
        (0.9, {}, "yes"),
        (-0.1, {}, None),
        (0.1, {"spoken_of": True}, None),
        (0.9, {"spoken_of": True}, "yes"),
        (-0.1, {"read": "yes"}, "yes"),
        (-0.9, {"read": "yes"}, None),
        (0.9, {"read": "no"}, "no"),
        (-3.0, {"read": "yes", "fact": "danger"}, "yes"),
    ],
)
def test_a_long_text_is_read_by_both(value: float, more: dict[str, object], settled: str | None) -> None:
    assert settle(LONG, value, **more) == settled  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "read"), [(3.0, None), (-3.0, "yes"), (3.0, "no")])
def test_of_a_short_text_the_rules_alone_are_heard(value: float, read: str | None) -> None:
    assert settle("あ" * 50, value, read=read) == read


def test_what_is_told_in_a_roundabout_way_is_read_and_shown(expert: Expert) -> None:
    found = expert.ask(TOLD, questions=False).facts
    assert {"unauthorized_use", "bank_codes_entered"} <= {f.id for f in found if f.value == "yes"}
    for fact in found:
        assert all(TOLD[e.start : e.end] == e.text and e.text.strip() for e in fact.evidence)


@pytest.mark.parametrize("odd", ["。" * 60, "…" * 60, "\n" + "😱" * 60, "、「」" * 30 + "払った"])
def test_odd_long_texts_have_evidence_in_range(expert: Expert, odd: str) -> None:
    for fact in expert.understand(odd).facts:
        assert all(odd[e.start : e.end] == e.text for e in fact.evidence)
    tokens = expert.tokenizer.tokenize(odd)
    if tokens.lemmas:
        reading = expert.scorer.read([(tokens, [], [])])
        for start, end in reading.clauses(0, tokens, expert.model.facts):
            assert 0 <= start < end <= len(tokens.normal)
