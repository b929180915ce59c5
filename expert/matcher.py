"""Concepts -> mentions: where the words of a concept stand in a text.

A verb (`acts`) is found by its Sudachi normalized form in one dictionary look-up a token; where a concept names `things`,
one of them must stand near the verb, on its left or as the head of the relative clause on its right. Phrases are found by `expert.phrases`.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from expert.domain import Mention, TokenizedText
from expert.literals import Literals
from expert.patterns import LazyPattern
from expert.phrases import TEXT, Guard, PhraseFinder, Places, guard_of, sentence_start
from expert.schema import LexiconEntry

_REACH = 44
"""Characters to the left of a verb in which its object is looked for (never beyond the sentence)."""
_TITLE = re.compile(r"[^、。]{1,12}を(?:名乗|なの|騙|かた|装)[っらりるう]")
"""警察を名乗る男に: an object of its own."""
_RELATIVE_REACH = 7
"""The longest match of _RELATIVE."""
_RELATIVE = re.compile(r"(?:ちゃっ|てしまっ|じゃっ|でしまっ|され|まし)?[ただ](?:この|その|私の|あの)?")
_Verb = tuple[int, int]
"""Which of the texts, and which of its tokens."""


class _Act:
    """A concept that a verb speaks of, with what its object must look like."""

    def __init__(self, concept: str, things: LazyPattern | None, guard: Guard | None) -> None:
        self.concept = concept
        self.things = things
        self.guard = guard

    def match(self, verbs: list[_Verb], texts: Sequence[TokenizedText], near: "_Things | None", found: list[list[Mention]]) -> None:
        """Adds the mentions; `near` are the things of the concept, None where it needs none."""
        guard = self.guard
        for i, token in verbs:
            if near is not None and i not in near.first_of:
                continue
            text = texts[i]
            begin, end = text.place(token)
            start = begin if near is None else near.object_of(i, text.normal, begin, end)
            if start >= 0 and (guard is None or not guard.blocks(text.normal, start, end)):
                found[i].append(Mention(self.concept, start, begin, end, text.form(token)))


class _Things:
    """Things of a concept in some texts: where they may start, in order, and for each text the first of its places."""

    def __init__(self, pattern: LazyPattern, places: Places) -> None:
        self.first_of: dict[int, int] = {}
        self._pattern = pattern
        self._places = sorted(places)
        last = -1
        for number, place in enumerate(self._places):
            i = place >> TEXT
            if i != last:
                last = i
                self.first_of[i] = number

    def object_of(self, i: int, normal: str, begin: int, end: int) -> int:
        """Where the object of a verb starts (the verb itself for the head of its relative clause); -1 where there is none."""
        places, text, number = self._places, i << TEXT, self.first_of[i]
        at, last = text + begin, len(places)
        while number < last and places[number] < at - _REACH:
            number += 1
        before = list[int]()
        while number < last and places[number] < at:
            before.append(places[number] - text)
            number += 1
        if before:
            left = sentence_start(normal, begin, _REACH)  # an object may stand in quotation marks before its verb
            for found in reversed(_found(self._pattern.compiled, [start for start in before if start >= left], normal, left, begin)):
                if _governs(normal[found.end() : begin]):
                    return found.start()
        while number < last and places[number] <= text + end:
            number += 1
        if number == last or places[number] > text + end + _RELATIVE_REACH:
            return -1
        relative = _RELATIVE.match(normal, end)
        return begin if relative and self._pattern.compiled.match(normal, relative.end()) else -1


class Matcher:
    """Indexed concepts. Values in, values out; safe for several threads."""

    def __init__(self, concepts: Iterable[LexiconEntry], literals: Literals | None = None) -> None:
        """`literals`: what is known of their patterns from an earlier time."""
        by_id = {concept.id: concept for concept in concepts}
        guards = {concept.id: guard_of(concept) for concept in by_id.values()}
        self._phrases = PhraseFinder(by_id, guards, literals or Literals())
        self._acts: dict[str, list[_Act]] = {}
        for concept in by_id.values():
            things = LazyPattern("|".join(sorted(concept.things, key=len, reverse=True))) if concept.things else None
            for verb in concept.acts:
                self._acts.setdefault(sys.intern(verb), []).append(_Act(concept.id, things, guards[concept.id]))

    def match(self, texts: Sequence[TokenizedText]) -> list[list[Mention]]:
        """All mentions in each text in the order of their place; overlapping ones of one concept only once.

        Many texts at once are quicker than one by one; what is found in a text does not depend on the others.
        """
        found, places = self._phrases.find([text.normal for text in texts])
        things = dict[str, _Things]()
        for verb, tokens in self._find_verbs(texts).items():
            for act in self._acts[verb]:
                near = things.get(act.concept)
                if near is None and act.things is not None:
                    near = things[act.concept] = _Things(act.things, places.get(act.concept, []))
                if near is None or near.first_of:
                    act.match(tokens, texts, near, found)
        return [_without_overlaps(mentions) for mentions in found]

    def _find_verbs(self, texts: Sequence[TokenizedText]) -> Mapping[str, list[_Verb]]:
        """For each verb of a concept where it stands."""
        acts = self._acts
        out = defaultdict[str, list[_Verb]](list)
        for i, text in enumerate(texts):
            lemmas = text.lemmas
            for k in [k for k, lemma in enumerate(lemmas) if lemma in acts]:
                out[lemmas[k]].append((i, k))
        return out


def _without_overlaps(found: list[Mention]) -> list[Mention]:
    if len(found) < 2:
        return found
    found.sort(key=lambda m: (m.target, -m.end, m.start, m.concept, -m.form))
    reached: dict[str, int] = {}
    kept = []
    for mention in found:
        if mention.end > reached.get(mention.concept, -1):
            reached[mention.concept] = mention.end
            kept.append(mention)
    return kept


def _found(pattern: re.Pattern[str], starts: Sequence[int], normal: str, left: int, right: int) -> list[re.Match[str]]:
    """What `pattern.finditer` finds between two places, tried only where it can begin."""
    out, at = list[re.Match[str]](), left
    for start in starts:
        if start >= at and (found := pattern.match(normal, start, right)):
            out.append(found)
            at = found.end()
    return out


def _governs(between: str) -> bool:
    """False where another object stands between: カード番号を求められたので名前を入れた."""
    if "を" not in between:  # most often, and two look-ups
        return True
    between = _TITLE.sub("", between)
    if between.startswith(("を", "は", "が")) and "を" in between[1:]:
        return False
    return between.count("を") < 2
