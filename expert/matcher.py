"""Concepts -> mentions: where the words of a concept stand in a text.

A verb (`acts`) is found by its Sudachi normalized form in one dictionary look-up a token; where a concept names `things`,
one of them must stand near the verb, on its left or as the head of the relative clause on its right. A phrase is tried only
where the literal characters with which it begins stand: all of them are looked for in one pass (Aho and Corasick 1975).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick

from expert.domain import Mention, Span, TokenizedText
from expert.patterns import LazyPattern, beginnings
from expert.schema import LexiconEntry

_REACH = 44
"""Characters to the left of a verb in which its object is looked for (never beyond the sentence)."""
_BEFORE, _AFTER = 16, 10
"""Characters around a mention in which `not_with` words turn it off (never beyond the sentence)."""
_SENTENCE_END = re.compile(r"[。！？!?\n」』]")
_IN_QUOTE = re.compile(r"[^。！？!?\n」』]*+\Z")
_IN_SENTENCE = re.compile(r"[^。！？!?\n]*+\Z")  # an object may stand in quotation marks before its verb
_RELATIVE = re.compile(r"(?:ちゃっ|てしまっ|じゃっ|でしまっ|され|まし)?[ただ](?:この|その|私の|あの)?")


@dataclass(frozen=True)
class _Phrase:
    concept: LexiconEntry
    pattern: LazyPattern


class Matcher:
    """Indexed concepts. Values in, values out; safe for several threads."""

    def __init__(self, concepts: Iterable[LexiconEntry]) -> None:
        self._acts: dict[str, list[LexiconEntry]] = {}
        raw: dict[tuple[str, str], list[str]] = {}
        self._not_with: dict[str, LazyPattern] = {}
        self._not_after: dict[str, LazyPattern] = {}
        self._things: dict[str, LazyPattern] = {}
        by_id = {concept.id: concept for concept in concepts}
        for concept in by_id.values():
            self._add(concept, raw)
        by_key: dict[str, list[_Phrase]] = {}
        for (key, concept_id), phrases in raw.items():
            joined = "|".join(sorted(phrases, key=len, reverse=True))
            by_key.setdefault(key, []).append(_Phrase(by_id[concept_id], LazyPattern(joined)))
        self._phrases = list(by_key.values())
        self._beginnings = AhoCorasick(list(by_key))

    def match(self, text: TokenizedText) -> list[Mention]:
        """All mentions in the order of their place in the text; overlapping ones of one concept only once."""
        found = [*self._match_acts(text), *self._match_phrases(text)]
        if len(found) < 2:
            return found
        found.sort(key=lambda m: (m.target, -m.end))
        reached: dict[str, int] = {}
        kept = []
        for mention in found:
            if mention.end > reached.get(mention.concept, -1):
                reached[mention.concept] = mention.end
                kept.append(mention)
        return kept

    def _add(self, concept: LexiconEntry, raw: dict[tuple[str, str], list[str]]) -> None:
        for act in concept.acts:
            self._acts.setdefault(act, []).append(concept)
        endings = f"(?:{'|'.join(concept.endings)})" if concept.endings else ""
        for phrase in concept.phrases:
            for key in beginnings(phrase):
                raw.setdefault((key, concept.id), []).append(phrase + endings)
        if concept.not_with:
            self._not_with[concept.id] = LazyPattern("|".join(concept.not_with))
        if concept.not_after:
            self._not_after[concept.id] = LazyPattern("|".join(concept.not_after))
        if concept.things:
            self._things[concept.id] = LazyPattern("|".join(sorted(concept.things, key=len, reverse=True)))

    def _match_acts(self, text: TokenizedText) -> Iterator[Mention]:
        acts = self._acts
        for i, lemma in enumerate(text.lemmas):
            if lemma in acts:
                yield from self._acts_at(text, i, acts[lemma])

    def _acts_at(self, text: TokenizedText, i: int, concepts: list[LexiconEntry]) -> Iterator[Mention]:
        normal, verb = text.normal, Span(text.starts[i], text.ends[i])
        left = _start(_IN_SENTENCE, normal, verb.start, _REACH)
        relative = _RELATIVE.match(normal, verb.end)
        for concept in concepts:
            things = self._things.get(concept.id)
            start = _object(things, normal, left, verb, relative) if things else verb.start
            if start is not None and not self._blocked(normal, start, verb.end, concept):
                yield Mention(concept.id, start, verb.start, verb.end, text.form(i))

    def _blocked(self, normal: str, start: int, end: int, concept: LexiconEntry) -> bool:
        after = self._not_after.get(concept.id)
        if after and after.compiled.match(normal, end):
            return True
        around = self._not_with.get(concept.id)
        if around is None:
            return False
        stop = _SENTENCE_END.search(normal, end, end + _AFTER)
        last = stop.start() if stop else min(end + _AFTER, len(normal))
        return around.guarded.search(normal, _start(_IN_QUOTE, normal, start, _BEFORE), last) is not None

    def _match_phrases(self, text: TokenizedText) -> Iterator[Mention]:
        normal = text.normal
        for key, start, _ in self._beginnings.find_matches_as_indexes(normal, overlapping=True):
            for phrase in self._phrases[key]:
                found = phrase.pattern.compiled.match(normal, start)
                if found and not self._blocked(normal, start, found.end(), phrase.concept):
                    yield Mention(phrase.concept.id, start, start, found.end())


def _object(things: LazyPattern, normal: str, left: int, verb: Span, relative: re.Match[str] | None) -> int | None:
    """Where the object of a verb starts (the verb itself for the head of its relative clause); None where there is none."""
    for found in reversed(list(things.guarded.finditer(normal, left, verb.start))):
        if _governs(normal[found.end() : verb.start]):
            return found.start()
    return verb.start if relative and things.compiled.match(normal, relative.end()) else None


def _start(run: re.Pattern[str], normal: str, at: int, reach: int) -> int:
    """Where the run of characters begins that ends at `at`; at most `reach` characters before it."""
    found = run.search(normal, max(0, at - reach), at)
    return found.start() if found else at


def _governs(between: str) -> bool:
    """False where another object stands between: カード番号を求められたので名前を入れた."""
    if between.startswith(("を", "は", "が")) and "を" in between[1:]:
        return False
    return between.count("を") < 2
