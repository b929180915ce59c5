"""Phrases are tried only where they can begin and only in texts that hold what they need: none may be lost by it."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from expert import knowledge, literals, model_cache
from expert.domain import TokenizedText
from expert.literals import Literals, within
from expert.matcher import Matcher
from expert.patterns import Searcher, plain_groups
from expert.schema import LexiconEntry
from expert.tokenizer import TERMINAL, Tokenizer

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
    mentions = Matcher([entry]).match([Tokenizer().tokenize(text)])[0]
    assert [text[m.start : m.end] for m in mentions] == found


@pytest.mark.parametrize(
    ("patterns", "text", "found"),
    [
        (["あす.に", "すか"], "あすかは", "すか"),  # its beginning stands within another one
        (["^.{0,4}未払い", "給料"], "まだ未払い", "まだ未払い"),  # begins with anything
        (["(?<=親)の電話"], "親の電話", "の電話"),
        (["電話会社"], "電話した会社", None),
        (["電話"], "電話", "電話"),
        ([], "電話", None),
    ],
)
def test_searching(patterns: list[str], text: str, found: str | None) -> None:
    match = Searcher(patterns).search(text, 0, len(text) + 10)
    assert (match[0] if match else None) == found


@pytest.mark.slow
def test_searching_finds_what_plain_searching_finds() -> None:
    known = knowledge.load()
    guards = {c.not_with for kind in (known.signs, known.methods) for c in kind.values()} | {
        c.not_with for f in known.facts.values() for c in f.concepts
    }
    files = sorted((ROOT / "corpus" / "test").glob("*.jsonl"))
    texts = [json.loads(line)["text"][:40] for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    hits = 0
    for patterns in filter(None, guards):
        searcher, plain = Searcher(patterns), re.compile("|".join(map(plain_groups, patterns)))
        for text in texts:
            expected, found = plain.search(text, 5, 35), searcher.search(text, 5, 35)
            assert (found and found.span()) == (expected and expected.span()), patterns
            hits += expected is not None
    assert hits > 500


def test_literals_are_worked_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEKOMI_CACHE", str(tmp_path))
    worked_out = list[str]()
    for name in ("beginnings", "within"):
        tell = getattr(literals, name)

        def noted(pattern: str, tell: Callable[[str], set[str]] = tell) -> set[str]:
            worked_out.append(pattern)
            return tell(pattern)

        monkeypatch.setattr(literals, name, noted)

    def make(found: Literals) -> tuple[set[str], set[str]]:
        return found.beginnings("画(面|像)が"), found.within("[^。]{0,9}消えた")

    made = [model_cache.with_literals(make) for _ in range(2)]
    assert made == [({"画面が", "画像が"}, {"消えた"})] * 2
    assert len(worked_out) == 2
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace("画面".encode(), "画布".encode()))  # not what was written
    assert model_cache.with_literals(make) == made[0]
    assert len(worked_out) == 4
    assert model_cache.with_literals(lambda found: found.beginnings("画(面|像)が")) == made[0][0]
    assert model_cache.with_literals(make) == made[0]
    assert worked_out[4:] == ["[^。]{0,9}消えた"], "only what was asked for last is kept"


def test_of_a_verb_and_a_phrase_at_one_place_the_verb_counts_for_it_knows_its_form() -> None:
    entry = LexiconEntry.model_validate({"id": "c", "title": "c", "acts": ["払う"], "phrases": ["払う"]})
    (mention,) = Matcher([entry]).match([Tokenizer().tokenize("お金を払う")])[0]
    assert mention.form == TERMINAL


def test_what_is_found_in_a_text_does_not_depend_on_the_others() -> None:
    known = knowledge.load()
    matcher, tokenizer = Matcher([*(c for f in known.facts.values() for c in f.concepts), *known.signs.values()]), Tokenizer()
    files = sorted((ROOT / "corpus" / "test").glob("*.jsonl"))
    texts = [json.loads(line)["text"] for file in files for line in file.read_text(encoding="utf-8").splitlines()][::5]
    tokens = [tokenizer.tokenize(text) for text in [*texts, "", texts[0]]]

    def found(read: Sequence[TokenizedText]) -> list[list[dict[str, object]]]:
        return [[vars(mention) for mention in mentions] for mentions in matcher.match(read)]

    together = found(tokens)
    assert sum(map(len, together)) > len(texts)
    assert together == [found([t])[0] for t in tokens]
    assert together == found(tokens[::-1])[::-1]
    assert matcher.match([]) == []


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
    found = {(i, m.concept, m.start) for i, mentions in enumerate(matcher._phrases.find(normal)[0]) for m in mentions}
    assert found == expected
    assert len(found) > 500
