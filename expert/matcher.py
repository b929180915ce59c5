"""Concepts -> mentions: where the words of a concept stand in a text.

A verb (`acts`) is found by its Sudachi normalized form in one dictionary look-up a token; where a concept names `things`,
one of them must stand near the verb, on its left or as the head of the relative clause on its right. Phrases and things are tried only
where the literal characters with which they begin stand: all of them are looked for in one pass (Aho and Corasick 1975).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

from ahocorasick_rs import AhoCorasick

from expert.domain import Mention, TokenizedText
from expert.errors import KnowledgeError
from expert.literals import Literals, begins_with, has_alternatives
from expert.patterns import LazyPattern, Searcher
from expert.schema import LexiconEntry

_REACH = 44
"""Characters to the left of a verb in which its object is looked for (never beyond the sentence)."""
_BEFORE, _AFTER = 16, 10
"""Characters around a mention in which `not_with` words turn it off (never beyond the sentence)."""
_MOST_NEXT = 100
"""Beginnings of endings with which a phrase is looked for (alone, 店 stands in every sixth text): more of them cost more than they save."""
_MANY = 2
"""Phrases from which compiling all of them once more, as one pattern, is worth its time."""
_SENTENCE_END = re.compile(r"[。!?\n」』]")
_TITLE = re.compile(r"[^、。]{1,12}を(?:名乗|なの|騙|かた|装)[っらりるう]")
"""警察を名乗る男に: an object of its own."""
_RELATIVE_REACH = 7
"""The longest match of _RELATIVE."""
_RELATIVE = re.compile(r"(?:ちゃっ|てしまっ|じゃっ|でしまっ|され|まし)?[ただ](?:この|その|私の|あの)?")


class _Phrase:
    """Words of a concept; `skip` characters of them have been found already when the pattern is tried."""

    def __init__(self, concept: str, pattern: LazyPattern, skip: int, guard: "_Guard | None") -> None:
        self.concept = concept
        self.skip = skip
        self.guard = guard
        self._pattern = pattern
        self._match: _Match | None = None

    def match(self, normal: str, start: int) -> int:
        """Where the words end that begin at a place; -1 where they do not stand there, or are turned off."""
        match = self._match
        if match is None:
            match = self._match = self._pattern.compiled.match  # kept here: fewer visits to memory than by way of the pattern
        found = match(normal, start + self.skip)
        if found is None:
            return -1
        end: int = found.end()
        guard = self.guard
        return -1 if guard is not None and guard.blocks(normal, start, end) else end

    def written(self, key: str) -> str:
        """As a pattern for the whole, where `key` is what has been found."""
        return f"{key[: self.skip]}(?:{self._pattern.pattern})"


class _Several:
    """Phrases that begin alike: tried one by one only where a pattern for one of them matches."""

    def __init__(self, key: str, phrases: Sequence[_Phrase]) -> None:
        self._key = key
        self._phrases = phrases
        self._match: _Match | None = None

    def match(self, normal: str, start: int) -> bool:
        """Whether one of them stands at a place."""
        match = self._match
        if match is None:
            match = self._match = LazyPattern("|".join([phrase.written(self._key) for phrase in self._phrases])).compiled.match
        return match(normal, start) is not None


class _Beginning:
    """What may start with some literal characters: phrases, and things of concepts."""

    def __init__(self, key: str, phrases: list[_Phrase], things: list[str], waiting: list[_Phrase], awaited_by: list[str]) -> None:
        """`waiting`: phrases of concepts whose endings cannot match without one of some words: not tried in a text without them.

        `awaited_by`: the concepts for which the characters are such a word.
        """
        self.phrases = phrases
        self.things = things
        self.several = _Several(key, phrases) if len(phrases) >= _MANY else None
        self.waiting = waiting
        self.awaited_by = awaited_by


class _Guard:
    """What turns a mention off: words around it, words right after it."""

    def __init__(self, around: Searcher | None, after: LazyPattern | None) -> None:
        self._around = around
        self._after = after

    def blocks(self, normal: str, start: int, end: int) -> bool:
        """Whether a mention between two places is turned off."""
        if self._after is not None and self._after.match(normal, end):
            return True
        around = self._around
        if around is None or not around.search(normal, max(0, start - _BEFORE), end + _AFTER):
            return False
        stop = _SENTENCE_END.search(normal, end, end + _AFTER)
        last = stop.start() if stop else min(end + _AFTER, len(normal))
        first = _sentence_start(normal, start, _BEFORE)
        first = max(first, normal.rfind("」", first, start) + 1, normal.rfind("』", first, start) + 1)
        return around.search(normal, first, last) is not None


class _Act:
    """A concept that a verb speaks of, with what its object must look like."""

    def __init__(self, concept: str, things: LazyPattern | None, guard: _Guard | None) -> None:
        self.concept = concept
        self.things = things
        self.guard = guard


_Match = Callable[[str, int], re.Match[str] | None]
Places = Mapping[str, list[int]]
"""Where the things of each concept may start."""


class Matcher:
    """Indexed concepts. Values in, values out; safe for several threads."""

    def __init__(self, concepts: Iterable[LexiconEntry], literals: Literals | None = None) -> None:
        """`literals`: what is known of their patterns from an earlier time."""
        literals = literals or Literals()
        self._acts: dict[str, list[_Act]] = {}
        self._needed: dict[str, frozenset[str]] = {}
        """Of the verbs that count only with a thing: the concepts of which one must have a thing in the text."""
        raw: dict[tuple[str, str, int], list[str]] = {}
        by_id = {concept.id: concept for concept in concepts}
        self._tails = {concept.id: literals.beginnings(_ending(concept)) for concept in by_id.values()}
        pattern = cache(LazyPattern)  # concepts share many of their words
        guards = {concept.id: _guard(concept) for concept in by_id.values()}
        for concept in by_id.values():
            self._add(concept, guards[concept.id], raw, literals)
        for lemma, acts in self._acts.items():
            if all(act.things for act in acts):
                self._needed[lemma] = frozenset(act.concept for act in acts)
        vague = [concept for concept in by_id.values() if concept.endings and "" in self._tails[concept.id]]
        awaited = {concept.id: literals.within(_ending(concept)) for concept in vague}
        tried, waiting = defaultdict[str, list[_Phrase]](list), defaultdict[str, list[_Phrase]](list)
        for (key, concept_id, skip), phrases in raw.items():
            joined = "|".join(sorted(phrases, key=len, reverse=True))
            found = waiting if awaited.get(concept_id) else tried
            found[key].append(_Phrase(concept_id, pattern(joined), skip, guards[concept_id]))
        things, awaited_by = _thing_beginnings(by_id.values(), literals), _by_string(awaited)
        keys = dict.fromkeys([*tried, *waiting, *things, *awaited_by])
        self._beginnings = [_Beginning(key, tried[key], things.get(key, []), waiting[key], awaited_by.get(key, [])) for key in keys]
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

    def _add(self, concept: LexiconEntry, guard: _Guard | None, raw: dict[tuple[str, str, int], list[str]], literals: Literals) -> None:
        things = LazyPattern("|".join(sorted(concept.things, key=len, reverse=True))) if concept.things else None
        for act in concept.acts:
            self._acts.setdefault(act, []).append(_Act(concept.id, things, guard))
        endings = _ending(concept)
        next_to = _few(self._tails[concept.id])
        for written in concept.phrases:
            phrase = f"(?:{written})" if endings and has_alternatives(written) else written
            for key in literals.beginnings(phrase):
                skip = len(key) if begins_with(phrase, key) else 0  # many phrases differ in their first words alone: what follows is compiled once
                for tail in next_to if phrase == key else ("",):
                    raw.setdefault((key + tail, concept.id, skip), []).append(phrase[skip:] + endings)

    def _match_phrases(self, normal: str) -> tuple[list[Mention], Places]:
        """The mentions by phrases, and where things may start."""
        places, found = defaultdict[str, list[int]](list), list[Mention]()
        waiting, spoken = list[tuple[int, list[_Phrase]]](), set[str]()
        known = self._beginnings
        hits: list[tuple[int, int, int]] = self._finder.find_matches_as_indexes(normal, overlapping=True)
        for key, start, _ in hits:
            beginning = known[key]
            for concept_id in beginning.things:
                places[concept_id].append(start)
            if beginning.several is None or beginning.several.match(normal, start):
                for phrase in beginning.phrases:
                    if (end := phrase.match(normal, start)) >= 0:
                        found.append(Mention(phrase.concept, start, start, end))
            if beginning.waiting:
                waiting.append((start, beginning.waiting))
            if beginning.awaited_by:
                spoken.update(beginning.awaited_by)
        for start, phrases in waiting:
            for phrase in phrases:
                if phrase.concept in spoken and (end := phrase.match(normal, start)) >= 0:
                    found.append(Mention(phrase.concept, start, start, end))
        return found, places

    def _match_acts(self, text: TokenizedText, places: Places) -> Iterator[Mention]:
        acts, lemmas, normal, needed = self._acts, text.lemmas, text.normal, self._needed
        absent = places.keys().isdisjoint
        for i in [i for i, lemma in enumerate(lemmas) if lemma in acts]:
            lemma = lemmas[i]
            if lemma in needed and absent(needed[lemma]):
                continue
            begin, end = text.place(i)
            for act in acts[lemma]:
                things = act.things
                if things is None:
                    start = begin
                elif act.concept not in places or (start := _governed(things, places[act.concept], normal, begin, end)) < 0:
                    continue
                if act.guard is None or not act.guard.blocks(normal, start, end):
                    yield Mention(act.concept, start, begin, end, text.form(i))


def _ending(concept: LexiconEntry) -> str:
    return f"(?:{'|'.join(concept.endings)})" if concept.endings else ""


def _few(tails: set[str]) -> set[str]:
    """Beginnings of what stands behind a phrase; none where it can be anything, or where looking for so many costs more than it saves."""
    return {""} if "" in tails or len(tails) > _MOST_NEXT else tails


def _guard(concept: LexiconEntry) -> _Guard | None:
    if not concept.not_with and not concept.not_after:
        return None
    around = Searcher(concept.not_with) if concept.not_with else None
    return _Guard(around, LazyPattern("|".join(concept.not_after)) if concept.not_after else None)


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


def _governed(pattern: LazyPattern, starts: Sequence[int], normal: str, begin: int, end: int) -> int:
    """Where the object of a verb starts (the verb itself for the head of its relative clause); -1 where there is none."""
    before, relative_head = list[int](), False
    for start in starts:  # a loop, since most verbs have none near
        if start < begin:
            if start >= begin - _REACH:
                before.append(start)
        elif end < start <= end + _RELATIVE_REACH:
            relative_head = True
    if before:
        left = _sentence_start(normal, begin, _REACH)  # an object may stand in quotation marks before its verb
        near = sorted({s for s in before if s >= left})
        for found in reversed(_found(pattern.compiled, near, normal, left, begin)) if near else ():
            if _governs(normal[found.end() : begin]):
                return found.start()
    if not relative_head:
        return -1
    relative = _RELATIVE.match(normal, end)
    return begin if relative and pattern.compiled.match(normal, relative.end()) else -1


def _found(pattern: re.Pattern[str], starts: Sequence[int], normal: str, left: int, right: int) -> list[re.Match[str]]:
    """What `pattern.finditer` finds between two places, tried only where it can begin."""
    out, at = list[re.Match[str]](), left
    for start in starts:
        if start >= at and (found := pattern.match(normal, start, right)):
            out.append(found)
            at = found.end()
    return out


def _sentence_start(normal: str, at: int, reach: int) -> int:
    """Where the sentence begins in which `at` stands; at most `reach` characters before it."""
    first = max(0, at - reach)
    rfind = normal.rfind  # four of them are quicker than one regular expression
    return max(first, rfind("。", first, at) + 1, rfind("!", first, at) + 1, rfind("?", first, at) + 1, rfind("\n", first, at) + 1)


def _governs(between: str) -> bool:
    """False where another object stands between: カード番号を求められたので名前を入れた."""
    if "を" not in between:  # most often, and two look-ups
        return True
    between = _TITLE.sub("", between)
    if between.startswith(("を", "は", "が")) and "を" in between[1:]:
        return False
    return between.count("を") < 2
