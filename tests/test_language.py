"""One sentence a line, one file a fact: `value<TAB>sentence`.

A line that begins with `!` is a known error: when it turns right, take the mark away.
"""

import pytest

from expert import knowledge
from expert.assertion import AssertionAnalyzer
from expert.matcher import Matcher
from expert.tokenizer import Tokenizer

from .conftest import ROOT

KNOWLEDGE = knowledge.load()
TOKENIZER = Tokenizer(KNOWLEDGE.kana)
MATCHER = Matcher(c for f in KNOWLEDGE.facts.values() for c in f.concepts)
ANALYZER = AssertionAnalyzer(KNOWLEDGE.facts, KNOWLEDGE.cues)
FEWEST = 30


def _lines(fact: str) -> list[str]:
    text = (ROOT / "tests" / "language" / f"{fact}.tsv").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


CASES = [
    pytest.param(fact, *line.lstrip("!").split("\t"), marks=[pytest.mark.xfail(strict=True)] if line.startswith("!") else [])
    for fact in KNOWLEDGE.facts
    for line in _lines(fact)
]


@pytest.mark.parametrize(("fact", "value", "sentence"), CASES)
def test_sentence(fact: str, value: str, sentence: str) -> None:
    text = TOKENIZER.tokenize(sentence)
    facts = {f.id: f.value for f in ANALYZER.determine(MATCHER.match([text])[0], text)}
    assert facts.get(fact, "unknown") == value


@pytest.mark.parametrize("fact", KNOWLEDGE.facts)
def test_each_fact_has_cases_of_each_kind(fact: str) -> None:
    lines = _lines(fact)
    values = [line.lstrip("!").split("\t")[0] for line in lines]
    assert len(lines) >= FEWEST
    assert all(values.count(v) >= FEWEST // 4 for v in ("yes", "no", "unknown"))
    assert sum(line.startswith("!") for line in lines) <= len(lines) // 5
