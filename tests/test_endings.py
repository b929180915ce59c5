"""Every ending with every verb: 「お金を払っていたんです」 must not be read otherwise than 「カード番号を入れたんです」.

A line of `language/endings.tsv` is a value and an ending, with the forms of a verb in braces; `language/verbs.tsv` names the verbs.
"""

import pytest

from .conftest import ROOT
from .test_language import ANALYZER, MATCHER, TOKENIZER

_ROWS = {"う": "わいうえおっ", "つ": "たちつてとっ", "る": "らりるれろっ", "む": "まみむめもん", "す": "さしすせそし", "く": "かきくけこい"}
_ICHIDAN = ("える", "れる", "ける", "べる", "じる")
_TABLES = ROOT / "tests" / "language"


def _table(name: str) -> list[list[str]]:
    lines = (_TABLES / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def forms(verb: str) -> dict[str, str]:
    """The forms of a verb by the names that endings.tsv uses."""
    if verb.endswith("する"):
        stem, row = verb[:-2], ["し", "し", "する", "すれ", "しよ", "し"]
    else:
        stem, row = verb[:-1], ["", "", "る", "れ", "よ", ""] if verb.endswith(_ICHIDAN) else list(_ROWS[verb[-1]])
    negative, polite, dictionary, conditional, volitional, joined = (stem + ending for ending in row)
    te, ta, cha, to = ("で", "だ", "じゃ", "ど") if joined.endswith("ん") else ("て", "た", "ちゃ", "と")
    return {
        "neg": negative,
        "zu": verb[:-2] + "せ" if verb.endswith("する") else negative,
        "masu": polite,
        "dict": dictionary,
        "cond": conditional,
        "vol": volitional,
        "te": joined + te,
        "past": joined + ta,
        "chau": joined + cha,
        "toru": joined + to,
    }


def _sentences(ending: str, left_out: list[str]) -> list[tuple[str, str]]:
    """Fact and sentence for each verb."""
    rows = [row for row in _table("verbs.tsv") if row[2] not in left_out]
    return [(fact, ending.format(**{name: start + form for name, form in forms(verb).items()})) for fact, start, verb in rows]


def read(sentence: str) -> dict[str, str]:
    """What the rules read in a sentence: fact and value."""
    text = TOKENIZER.tokenize(sentence)
    return {f.id: f.value for f in ANALYZER.determine(MATCHER.match([text])[0], text)}


@pytest.mark.parametrize(("value", "ending", "but"), [(row[0], row[1], row[2:]) for row in _table("endings.tsv")])
def test_ending_is_read_alike_with_every_verb(value: str, ending: str, but: list[str]) -> None:
    cases = _sentences(ending, but[0].split(",") if but else [])
    wrong = [(sentence, got) for fact, sentence in cases if (got := read(sentence).get(fact, "unknown")) != value]
    assert cases
    assert not wrong
