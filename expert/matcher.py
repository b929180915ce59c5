"""Concepts -> mentions: where the words of a concept stand in a text.

A verb (`acts`) is found by its Sudachi normalized form in one dictionary look-up a token; where a concept names `things`,
one of them must stand near the verb, on its left or as the head of the relative clause on its right. A phrase is tried only
where its first two characters stand.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from expert.domain import Mention, TokenizedText
from expert.patterns import LazyPattern, literal_prefix
from expert.schema import LexiconEntry

_REACH = 44
"""Characters to the left of a verb in which its object is looked for (never beyond the sentence)."""
_BEFORE, _AFTER = 16, 10
"""Characters around a mention in which `not_with` words turn it off (never beyond the sentence)."""
_ENDS = "。！？!?\n」』"
_SENTENCE_END = re.compile(f"[{_ENDS}]")
_RELATIVE = re.compile(r"(?:ちゃっ|てしまっ|じゃっ|でしまっ|され|まし)?[ただ](?:この|その|私の|あの)?")


@dataclass(frozen=True)
class _Phrase:
    concept: LexiconEntry
    pattern: LazyPattern


class Matcher:
    """Indexed concepts. Values in, values out; safe for several threads."""

    def __init__(self, concepts: Iterable[LexiconEntry]) -> None:
        self._acts: dict[str, list[LexiconEntry]] = {}
        self._phrases: dict[str, list[_Phrase]] = {}
        self._not_with: dict[str, LazyPattern] = {}
        self._not_after: dict[str, LazyPattern] = {}
        self._things: dict[str, LazyPattern] = {}
        for concept in concepts:
            self._add(concept)

    def match(self, text: TokenizedText) -> list[Mention]:
        """All mentions in the order of their place in the text; overlapping ones of one concept only once."""
        found = [*self._match_acts(text), *self._match_phrases(text)]
        if len(found) < 2:
            return found
        found.sort(key=lambda m: (m.target, -m.end))
        return [m for i, m in enumerate(found) if not any(_covers(o, m) for o in found[:i])]

    def _add(self, concept: LexiconEntry) -> None:
        for act in concept.acts:
            self._acts.setdefault(act, []).append(concept)
        endings = f"(?:{'|'.join(concept.endings)})" if concept.endings else ""
        for phrase in concept.phrases:
            key = literal_prefix(phrase)[:2] or phrase[0]
            self._phrases.setdefault(key, []).append(_Phrase(concept, LazyPattern(phrase + endings)))
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
                for concept in acts[lemma]:
                    yield from self._act(text, i, concept)

    def _act(self, text: TokenizedText, i: int, concept: LexiconEntry) -> Iterator[Mention]:
        target, end = text.starts[i], text.ends[i]
        start = self._object(text.normal, target, end, concept)
        if start is not None and not self._blocked(text.normal, start, end, concept):
            yield Mention(concept.id, start, target, end, text.forms[i])

    def _object(self, normal: str, target: int, end: int, concept: LexiconEntry) -> int | None:
        """Where the object of the verb starts; the verb itself where the concept needs none; None where it is missing."""
        things = self._things.get(concept.id)
        if things is None:
            return target
        left = _sentence_start(normal, target, _REACH, "。！？!?\n")
        for found in reversed(list(things.find_all(normal, left, target))):
            if _governs(normal[found.end() : target]):
                return found.start()
        relative = _RELATIVE.match(normal, end)
        if relative and things.compiled.match(normal, relative.end()):
            return target
        return None

    def _blocked(self, normal: str, start: int, end: int, concept: LexiconEntry) -> bool:
        after = self._not_after.get(concept.id)
        if after and after.compiled.match(normal, end):
            return True
        around = self._not_with.get(concept.id)
        if around is None:
            return False
        stop = _SENTENCE_END.search(normal, end, end + _AFTER)
        last = stop.start() if stop else min(end + _AFTER, len(normal))
        return next(around.find_all(normal, _sentence_start(normal, start, _BEFORE, _ENDS), last), None) is not None

    def _match_phrases(self, text: TokenizedText) -> Iterator[Mention]:
        phrases, normal = self._phrases, text.normal
        for i in range(len(normal)):
            for key in (normal[i], normal[i : i + 2]):
                for phrase in phrases.get(key, ()):
                    found = phrase.pattern.compiled.match(normal, i)
                    if found and not self._blocked(normal, i, found.end(), phrase.concept):
                        yield Mention(phrase.concept.id, i, i, found.end())


def _sentence_start(normal: str, at: int, reach: int, ends: str) -> int:
    """Start of the sentence that holds `at`, but at most `reach` characters before it. An object may stand in quotation marks before its verb."""
    floor = max(0, at - reach)
    return max(normal.rfind(mark, floor, at) for mark in ends) + 1 or floor


def _governs(between: str) -> bool:
    """False where another object stands between: カード番号を求められたので名前を入れた."""
    if between.startswith(("を", "は", "が")) and "を" in between[1:]:
        return False
    return between.count("を") < 2


def _covers(other: Mention, mention: Mention) -> bool:
    return other.concept == mention.concept and other.target <= mention.target and mention.end <= other.end
