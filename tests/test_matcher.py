"""Phrases are tried only where they can begin and only in texts that hold what they need: none may be lost by it."""

import json
import re

import pytest

from expert import knowledge
from expert.matcher import Matcher
from expert.patterns import plain_groups, within
from expert.schema import LexiconEntry
from expert.tokenizer import Tokenizer

from .conftest import ROOT


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("[^。]{0,9}(送ら|ふつう)れ", {"送られ", "ふつうれ"}),
        ("(?:は|が)?[^。]{0,9}動(か|け)", {"動か", "動け"}),
        ("[^。]{0,9}消えた|、?止まった", {"消えた", "止まった"}),
        ("[^。]{0,9}した", set()),  # everywhere
        ("[^。]{0,9}消えた|.*", set()),  # the second alternative needs no word
        ("(消えた)?", set()),
        ("", set()),
    ],
)
def test_words_of_which_a_match_needs_one(pattern: str, words: set[str]) -> None:
    assert within(pattern) == words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("画面は急に真っ黒になった", ["画面は急に真っ黒に"]),
        ("真っ黒な画面が出た", []),  # the word stands before the phrase
        ("画面が真っ黒に。画面も真っ黒に", ["画面が真っ黒に", "画面も真っ黒に"]),
    ],
)
def test_a_phrase_waits_for_the_words_of_its_ending(text: str, found: list[str]) -> None:
    entry = LexiconEntry.model_validate({"id": "c", "title": "c", "phrases": ["画面", "スマホ"], "endings": ["[^。]{0,9}(真っ黒|真っ白)に"]})
    mentions = Matcher([entry]).match(Tokenizer().tokenize(text))
    assert [text[m.start : m.end] for m in mentions] == found


@pytest.mark.slow
def test_every_phrase_is_found_where_plain_searching_finds_it() -> None:
    known = knowledge.load()
    concepts = [c for f in known.facts.values() for c in f.concepts] + [c for kind in (known.signs, known.methods) for c in kind.values()]
    bare = [c.model_copy(update={"not_with": (), "not_after": ()}) for c in concepts]
    matcher, tokenizer = Matcher(bare), Tokenizer()
    files = sorted((ROOT / "corpus" / "test").glob("*.jsonl"))
    texts = [json.loads(line)["text"] for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    normal = [tokenizer.tokenize(text).normal for text in texts[::3]]
    expected = set()
    for concept in bare:
        ending = f"(?:{'|'.join(concept.endings)})" if concept.endings else ""
        for phrase in concept.phrases:
            pattern = re.compile(f"(?=(?:{plain_groups(phrase + ending)}))")
            expected |= {(i, concept.id, m.start()) for i, text in enumerate(normal) for m in pattern.finditer(text)}
    found = {(i, m.concept, m.start) for i, text in enumerate(normal) for m in matcher._match_phrases(text)[0]}
    assert found == expected
    assert len(found) > 500
