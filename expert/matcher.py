"""Concepts -> mentions: where the words of a concept stand in a text.

A verb (`acts`) is found by its Sudachi normalized form in one dictionary look-up a token; where a concept names `things`,
one of them must stand near the verb, on its left or as the head of the relative clause on its right. Phrases and things are tried only
where the literal characters with which they begin stand: all of them are looked for in one pass (Aho and Corasick 1975).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from expert.domain import Mention, TokenizedText
from expert.errors import KnowledgeError
from expert.patterns import LazyPattern, beginnings
from expert.schema import LexiconEntry

_REACH = 44
"""Characters to the left of a verb in which its object is looked for (never beyond the sentence)."""
_BEFORE, _AFTER = 16, 10
"""Characters around a mention in which `not_with` words turn it off (never beyond the sentence)."""
_SENTENCE_END = re.compile(r"[。！？!?\n」』]")
_IN_QUOTE = re.compile(r"[^。！？!?\n」』]*+\Z")
_IN_SENTENCE = re.compile(r"[^。！？!?\n]*+\Z")  # an object may stand in quotation marks before its verb
_RELATIVE_REACH = 7
"""The longest match of _RELATIVE."""
_RELATIVE = re.compile(r"(?:ちゃっ|てしまっ|じゃっ|でしまっ|され|まし)?[ただ](?:この|その|私の|あの)?")


@dataclass(frozen=True)
class _Phrase:
    concept: LexiconEntry
    pattern: LazyPattern


class _Beginning(NamedTuple):
    """What may start with some literal characters: phrases (`any` matches if one of them does) and things of concepts."""

    phrases: list[_Phrase]
    any: LazyPattern
    things: list[str]


Places = Mapping[str, list[int]]
"""Where the things of each concept may start."""


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
        things = _thing_beginnings(by_id.values())
        keys = dict.fromkeys([*by_key, *things])
        self._beginnings = [_beginning(by_key.get(key, []), things.get(key, [])) for key in keys]
        self._finder = AhoCorasick(list(keys))

    def match(self, text: TokenizedText) -> list[Mention]:
        """All mentions in the order of their place in the text; overlapping ones of one concept only once."""
        phrases, places = self._match_phrases(text.normal)
        found = [*self._match_acts(text, places), *phrases]
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

    def _match_phrases(self, normal: str) -> tuple[list[Mention], Places]:
        """The mentions by phrases, and where things may start."""
        found, places = list[Mention](), defaultdict[str, list[int]](list)
        beginnings = self._beginnings
        for key, start, _ in self._finder.find_matches_as_indexes(normal, overlapping=True):
            phrases, any_of_them, things = beginnings[key]
            for concept_id in things:
                places[concept_id].append(start)
            if phrases and any_of_them.match(normal, start):
                found += self._phrases_at(normal, start, phrases)
        return found, places

    def _phrases_at(self, normal: str, start: int, phrases: list[_Phrase]) -> Iterator[Mention]:
        for phrase in phrases:
            found = phrase.pattern.match(normal, start)
            if found and not self._blocked(normal, start, found.end(), phrase.concept):
                yield Mention(phrase.concept.id, start, start, found.end())

    def _match_acts(self, text: TokenizedText, places: Places) -> Iterator[Mention]:
        acts, normal = self._acts, text.normal
        for i in [i for i, lemma in enumerate(text.lemmas) if lemma in acts]:
            begin, end = text.place(i)
            for concept in acts[text.lemmas[i]]:
                if not concept.things:
                    start = begin
                elif concept.id not in places or (start := self._object(concept, places[concept.id], normal, begin, end)) < 0:
                    continue
                if not self._blocked(normal, start, end, concept):
                    yield Mention(concept.id, start, begin, end, text.form(i))

    def _object(self, concept: LexiconEntry, starts: Iterable[int], normal: str, begin: int, end: int) -> int:
        """Where the object of a verb starts (the verb itself for the head of its relative clause); -1 where there is none."""
        near = [s for s in starts if begin - _REACH <= s <= end + _RELATIVE_REACH]
        return _governed(self._things[concept.id].compiled, near, normal, begin, end) if near else -1

    def _blocked(self, normal: str, start: int, end: int, concept: LexiconEntry) -> bool:
        after = self._not_after.get(concept.id)
        if after and after.compiled.match(normal, end):
            return True
        around = self._not_with.get(concept.id)
        if around is None or not around.guarded.search(normal, max(0, start - _BEFORE), end + _AFTER):
            return False
        stop = _SENTENCE_END.search(normal, end, end + _AFTER)
        last = stop.start() if stop else min(end + _AFTER, len(normal))
        return around.guarded.search(normal, _start(_IN_QUOTE, normal, start, _BEFORE), last) is not None


def _thing_beginnings(concepts: Iterable[LexiconEntry]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for concept in concepts:
        found = {thing: beginnings(thing) for thing in concept.things}
        if vague := [thing for thing, keys in found.items() if "" in keys]:
            raise KnowledgeError(
                [f"概念 {concept.id}: things の「{t}」は、どの文字で始まるかが決まりません。文字か [ ] で始めてください" for t in vague]
            )
        for key in set().union(*found.values()):
            out.setdefault(key, []).append(concept.id)
    return out


def _beginning(phrases: list[_Phrase], things: list[str]) -> _Beginning:
    either = phrases[0].pattern if len(phrases) == 1 else LazyPattern("|".join(p.pattern.pattern for p in phrases))
    return _Beginning(phrases, either, things)


def _governed(things: re.Pattern[str], near: Sequence[int], normal: str, begin: int, end: int) -> int:
    before = sorted({s for s in near if s < begin})
    if before and _found(things, before, normal, before[0], begin):
        left = _start(_IN_SENTENCE, normal, begin, _REACH)
        for found in reversed(_found(things, before, normal, left, begin)):
            if _governs(normal[found.end() : begin]):
                return found.start()
    if max(near) <= end:
        return -1
    relative = _RELATIVE.match(normal, end)
    return begin if relative and things.match(normal, relative.end()) else -1


def _found(pattern: re.Pattern[str], starts: Sequence[int], normal: str, left: int, right: int) -> list[re.Match[str]]:
    """What `pattern.finditer` finds between two places, tried only where it can begin."""
    out, at = list[re.Match[str]](), left
    for start in starts:
        if start >= at and (found := pattern.match(normal, start, right)):
            out.append(found)
            at = found.end()
    return out


def _start(run: re.Pattern[str], normal: str, at: int, reach: int) -> int:
    """Where the run of characters begins that ends at `at`; at most `reach` characters before it."""
    found = run.search(normal, max(0, at - reach), at)
    return found.start() if found else at


def _governs(between: str) -> bool:
    """False where another object stands between: カード番号を求められたので名前を入れた."""
    if between.startswith(("を", "は", "が")) and "を" in between[1:]:
        return False
    return between.count("を") < 2
