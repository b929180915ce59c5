"""Where phrases and things of concepts stand in texts, and what turns a mention off.

Each is tried only where the literal characters with which it begins stand: all of these are looked for in one pass (Aho and Corasick 1975).
Many texts are read at once, pattern by pattern and not text by text: there are thousands of patterns, and each is then fetched from memory once.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from expert.domain import Mention
from expert.errors import KnowledgeError
from expert.literals import Literals, begins_with, has_alternatives
from expert.patterns import LazyPattern, Searcher
from expert.schema import LexiconEntry

_BEFORE, _AFTER = 16, 10
"""Characters around a mention in which `not_with` words turn it off (never beyond the sentence)."""
_MOST_NEXT = 100
"""Beginnings of endings with which a phrase is looked for (alone, 店 stands in every sixth text): more of them cost more than they save."""
_MANY, _OFTEN = 2, 50
"""Phrases, and places of their beginning, from which compiling all of them once more, as one pattern, is worth its time."""

_SENTENCE_END = re.compile(r"[。!?\n」』]")

_Match = Callable[[str, int], re.Match[str] | None]
TEXT = 32
"""Bits of a place that say where it is in its text."""
WITHIN = 2**TEXT - 1
Places = list[int]
"""Which of the texts, times 2**TEXT, plus where in it: a number takes half of the memory of a pair, and memory is what all of this waits for."""


class Guard:
    """What turns a mention off: words around it, words right after it."""

    def __init__(self, around: Searcher | None, after: LazyPattern | None) -> None:
        self._around = around
        self._after = after

    def blocks(self, normal: str, start: int, end: int) -> bool:
        """Whether a mention between two places is turned off."""
        if self._after is not None and self._after.compiled.match(normal, end):
            return True
        around = self._around
        if around is None or not around.search(normal, max(0, start - _BEFORE), end + _AFTER):
            return False
        stop = _SENTENCE_END.search(normal, end, end + _AFTER)
        last = stop.start() if stop else min(end + _AFTER, len(normal))
        first = sentence_start(normal, start, _BEFORE)
        first = max(first, normal.rfind("」", first, start) + 1, normal.rfind("』", first, start) + 1)
        return around.search(normal, first, last) is not None


def guard_of(concept: LexiconEntry) -> Guard | None:
    """What turns mentions of a concept off."""
    if not concept.not_with and not concept.not_after:
        return None
    around = Searcher(concept.not_with) if concept.not_with else None
    return Guard(around, LazyPattern("|".join(concept.not_after)) if concept.not_after else None)


def sentence_start(normal: str, at: int, reach: int) -> int:
    """Where the sentence begins in which `at` stands; at most `reach` characters before it."""
    first = max(0, at - reach)
    rfind = normal.rfind  # four of them are quicker than one regular expression
    return max(first, rfind("。", first, at) + 1, rfind("!", first, at) + 1, rfind("?", first, at) + 1, rfind("\n", first, at) + 1)


class _Phrase(NamedTuple):
    """Words of a concept; `skip` characters of them have been found already when the pattern is tried."""

    concept: str
    pattern: LazyPattern
    skip: int
    guard: Guard | None

    def written(self, key: str) -> str:
        """As a pattern for the whole, where `key` is what has been found."""
        return f"{key[: self.skip]}(?:{self.pattern.pattern})"


class _Beginning:
    """What may start with some literal characters: phrases, and things of concepts."""

    def __init__(self, key: str, phrases: list[_Phrase], things: list[str], waiting: list[_Phrase], awaited_by: list[str]) -> None:
        """`waiting`: phrases of concepts whose endings cannot match without one of some words: not tried in a text without them.

        `awaited_by`: the concepts for which the characters are such a word.
        """
        self.phrases = phrases
        self.things = things
        self.waiting = waiting
        self.awaited_by = awaited_by
        self._key = key
        self._any: LazyPattern | None = None
        self._seen = 0

    def likely(self, hits: Places, texts: list[str]) -> Places:
        """Where one of the phrases may stand: often one pattern for all of them, so that they need not be tried one by one elsewhere."""
        if self._any is None:
            self._seen += len(hits)
            if len(self.phrases) < _MANY or self._seen < _OFTEN:
                return hits
            self._any = LazyPattern("|".join([phrase.written(self._key) for phrase in self.phrases]))
        match: _Match = self._any.compiled.match
        return [hit for hit in hits if match(texts[hit >> TEXT], hit & WITHIN)]


class PhraseFinder:
    """Indexed phrases and things. Values in, values out; safe for several threads."""

    def __init__(self, concepts: Mapping[str, LexiconEntry], guards: Mapping[str, Guard | None], literals: Literals) -> None:
        """`guards`: what turns a mention of a concept off. `literals`: what is known of the patterns from an earlier time."""
        endings = {concept.id: _ending(concept) for concept in concepts.values()}
        tails = {id: literals.beginnings(ending) for id, ending in endings.items()}
        awaited = {id: literals.within(ending) for id, ending in endings.items() if ending and "" in tails[id]}
        pattern = cache(LazyPattern)  # concepts share many of their words
        tried, waiting = defaultdict[str, list[_Phrase]](list), defaultdict[str, list[_Phrase]](list)
        for (key, id, skip), phrases in _by_beginning(concepts.values(), endings, tails, literals).items():
            joined = "|".join(sorted(phrases, key=len, reverse=True))
            (waiting if awaited.get(id) else tried)[key].append(_Phrase(id, pattern(joined), skip, guards[id]))
        things, awaited_by = _thing_beginnings(concepts.values(), literals), _by_string(awaited)
        keys = dict.fromkeys([*tried, *waiting, *things, *awaited_by])
        no, none = list[_Phrase](), list[str]()  # shared: most of the lists of tens of thousands of beginnings are empty
        self._beginnings = [
            _Beginning(key, tried.get(key, no), things.get(key, none), waiting.get(key, no), awaited_by.get(key, none)) for key in keys
        ]
        self._finder = AhoCorasick(list(keys))

    def find(self, texts: list[str]) -> tuple[list[list[Mention]], Mapping[str, Places]]:
        """The mentions of each text by phrases, in no order, and for each concept where its things may start, in no order."""
        found: list[list[Mention]] = [[] for _ in texts]
        places, spoken = defaultdict[str, Places](list), defaultdict[str, set[int]](set)
        later: list[tuple[_Beginning, Places]] = []
        for number, hits in self._hits(texts).items():
            beginning = self._beginnings[number]
            for concept in beginning.things:
                places[concept].extend(hits)
            for concept in beginning.awaited_by:
                spoken[concept].update([hit >> TEXT for hit in hits])
            if beginning.waiting:
                later.append((beginning, hits))
            likely = beginning.likely(hits, texts)
            for phrase in beginning.phrases if likely else ():
                _try(phrase, likely, texts, found)
        for beginning, hits in later:
            here = {hit >> TEXT for hit in hits}
            for phrase in beginning.waiting:
                within = spoken.get(phrase.concept)
                if within and not within.isdisjoint(here):
                    _try(phrase, [hit for hit in hits if hit >> TEXT in within], texts, found)
        return found, places

    def _hits(self, texts: list[str]) -> dict[int, Places]:
        """For each beginning, by its number, where it stands, in order."""
        hits = dict[int, Places]()
        find = self._finder.find_matches_as_indexes
        for i, text in enumerate(texts):
            at = i << TEXT
            in_text: list[tuple[int, int, int]] = find(text, overlapping=True)
            for number, start, _ in in_text:
                known = hits.get(number)
                if known is None:
                    hits[number] = [at + start]
                else:
                    known.append(at + start)
        return hits


def _try(phrase: _Phrase, hits: Places, texts: list[str], found: list[list[Mention]]) -> None:
    concept, pattern, skip, guard = phrase
    match: _Match = pattern.compiled.match
    for hit in hits:
        i, start = hit >> TEXT, hit & WITHIN
        text = texts[i]
        matched = match(text, start + skip)
        if matched is not None:
            end: int = matched.end()
            if guard is None or not guard.blocks(text, start, end):
                found[i].append(Mention(concept, start, start, end))


def _by_beginning(
    concepts: Iterable[LexiconEntry], endings: Mapping[str, str], tails: Mapping[str, set[str]], literals: Literals
) -> dict[tuple[str, str, int], list[str]]:
    """Patterns by the literal characters before them, concept, and how many of the characters are no more in them."""
    out: dict[tuple[str, str, int], list[str]] = {}
    for concept in concepts:
        ending, next_to = endings[concept.id], _few(tails[concept.id])
        for written in concept.phrases:
            phrase = f"(?:{written})" if ending and has_alternatives(written) else written
            for key in literals.beginnings(phrase):
                skip = len(key) if begins_with(phrase, key) else 0  # many phrases differ in their first words alone: what follows is compiled once
                for tail in next_to if phrase == key else ("",):
                    out.setdefault((key + tail, concept.id, skip), []).append(phrase[skip:] + ending)
    return out


def _ending(concept: LexiconEntry) -> str:
    return f"(?:{'|'.join(concept.endings)})" if concept.endings else ""


def _few(tails: set[str]) -> set[str]:
    """Beginnings of what stands behind a phrase; none where it can be anything, or where looking for so many costs more than it saves."""
    return {""} if "" in tails or len(tails) > _MOST_NEXT else tails


def _thing_beginnings(concepts: Iterable[LexiconEntry], literals: Literals) -> dict[str, list[str]]:
    out: dict[str, set[str]] = {}
    for concept in concepts:
        found = {thing: literals.beginnings(thing) for thing in concept.things}
        if vague := [thing for thing, keys in found.items() if "" in keys]:
            raise KnowledgeError(
                [f"概念 {concept.id}: things の「{t}」は、どの文字で始まるかが決まりません。文字か [ ] で始めてください" for t in vague]
            )
        out[concept.id] = set().union(*found.values())
    return _by_string(out)


def _by_string(concepts: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """For each string the concepts that have it."""
    out: dict[str, list[str]] = {}
    for concept, strings in concepts.items():
        for string in strings:
            out.setdefault(string, []).append(concept)
    return out
