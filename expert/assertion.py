"""Mentions -> assertions -> facts: what the text says happened, did not happen, or merely might.

Cue, scope, target (ConText: Chapman et al. 2007; for Japanese: Narita et al., 自然言語処理 22(5), 2015). A Japanese cue mostly follows its
target, so the walk goes right from the target, cue by cue, to the end of the clause; then the left side and the quotation are looked at.
All cues are data (rules/cues.yaml).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from expert.domain import Assertion, Evidence, Fact, Mention, Modality, TokenizedText, Value
from expert.patterns import LazyPattern, PatternTable, Searcher, plain_groups
from expert.schema import CueEntry, FactEntry, LexiconEntry

_IMPERATIVE, _VOLITIONAL, _CONTINUATIVE = 1, 2, 5
_LEFT_REACH, _LEFT_OVER = 30, 10
_QUOTE_REACH, _KNOWER_REACH = 120, 40
_LONGEST_NUMBER = 12
_NUMBER_BEFORE = re.compile(r"[0-9,.〇一二三四五六七八九十百千万億]+(?:か月|[年月日週分秒回個枚件人])?\Z")


class _Walk:
    """What the walk to the right of a target passed."""

    def __init__(self, negations: int, past: bool, modality: Modality, end: int, cues: tuple[str, ...]) -> None:
        self.negations: Final = negations
        self.past: Final = past
        self.modality: Final = modality
        self.end: Final = end
        self.cues: Final = cues


class AssertionAnalyzer:
    """Compiled cues. Values in, values out; safe for several threads. `fact_of` names the fact of each concept."""

    def __init__(self, facts: Mapping[str, FactEntry], cues: Iterable[CueEntry], signs: Iterable[LexiconEntry] = ()) -> None:
        """`signs`: more concepts that can be assessed; no fact is made of them."""
        self._facts = facts
        self._concepts = {c.id: c for c in [*signs, *(c for f in facts.values() for c in f.concepts)]}
        self.fact_of = {c.id: f.id for f in facts.values() for c in f.concepts}
        all_cues = list(cues)
        self._effects = {c.id: c.effect for c in all_cues}
        self._adjacent = PatternTable(_rows(c for c in all_cues if c.direction == "backward" and c.scope == "adjacent"))
        self._outer = _searcher(c for c in all_cues if c.direction == "backward" and c.scope != "adjacent")
        self._forward = _searcher(c for c in all_cues if c.direction == "forward" and c.effect != "confirmed")
        self._confirmed = _searcher(c for c in all_cues if c.effect == "confirmed")
        self._terminate = LazyPattern(_joined(c for c in all_cues if c.direction == "terminate")).guarded
        self._looks = (self._look_left, self._look_out, _look_around)
        self._correction = LazyPattern("|".join(p for c in all_cues if c.direction == "pseudo" for p in c.patterns) or r"(?!)")

    def determine(self, mentions: Sequence[Mention], text: TokenizedText) -> tuple[Fact, ...]:
        """Facts in the order of the knowledge base; unknown ones are left out."""
        by_fact: dict[str, list[Assertion]] = {}
        for mention in mentions:
            if fact := self.fact_of.get(mention.concept):
                by_fact.setdefault(fact, []).append(self.assess(mention, text))
        resolved = (self._resolve(f, by_fact[f], text) for f in self._facts if f in by_fact)
        return tuple(fact for fact in resolved if fact)

    def holds(self, mention: Mention, text: TokenizedText) -> bool:
        """Whether a mention says what is so or was done: not denied, demanded, asked, intended, supposed or quoted."""
        assertion = self.assess(mention, text)
        return assertion.modality is Modality.ACTUAL and not assertion.negated

    def assess(self, mention: Mention, text: TokenizedText) -> Assertion:
        """Polarity and modality of one mention."""
        concept, normal = self._concepts[mention.concept], text.normal
        if concept.asked:
            return Assertion(mention, False, Modality.DEMAND, ("asked",), mention.end)
        walk = self._walk(mention, normal)
        modality, cues = walk.modality, walk.cues
        for look in self._looks:
            if modality is not Modality.ACTUAL:
                break
            modality, cue = look(mention, normal, walk, concept)
            cues = (*cues, cue) if cue else cues
        if modality is Modality.HEARSAY and self._confirmed.search(normal, max(0, mention.start - _KNOWER_REACH), walk.end + _KNOWER_REACH // 4):
            modality = Modality.ACTUAL
        if concept.unreal and modality in _VOICED:
            modality = Modality.ACTUAL
        return Assertion(mention, walk.negations % 2 == 1, modality, cues, max(walk.end, mention.end))

    def _walk(self, mention: Mention, normal: str) -> _Walk:
        at, negations, past, cues = mention.end, 0, False, list[str]()
        western_past = normal[at - 1 : at + 1] == "った"  # 訴状が来よった is no 来よう
        modality = Modality.ACTUAL if western_past else _FORM_MODALITY.get(mention.form, Modality.ACTUAL)
        while modality is Modality.ACTUAL and (found := self._adjacent.match(normal, at)) and found[1] > at:
            cue, at = found
            effect = self._effects[cue]
            past = past or effect in ("past", "negate_past")
            if effect in ("negate", "negate_past"):
                negations += 1
                cues.append(cue)
            elif isinstance(effect, Modality):
                modality = effect
                cues.append(cue)
        return _Walk(negations, past, modality, at, tuple(cues))

    def _look_left(self, mention: Mention, normal: str, _walk: _Walk, _concept: LexiconEntry) -> tuple[Modality, str | None]:
        last = mention.end + _LEFT_OVER
        found = self._forward.search(normal, max(0, mention.start - _LEFT_REACH), last)
        if found and found.start() < mention.start:  # only then does it matter where the clause begins
            found = self._forward.search(normal, _clause_start(normal, mention.start, self._terminate), last)
        if not found or found.start() >= mention.target:
            return Modality.ACTUAL, None
        cue, effect = _cue(found, self._effects)
        return (effect, cue) if isinstance(effect, Modality) else (Modality.ACTUAL, cue)

    def _look_out(self, mention: Mention, normal: str, walk: _Walk, concept: LexiconEntry) -> tuple[Modality, str | None]:
        """A target that the walk left open (払って、… / 払う…) takes the modality that closes its sentence."""
        if walk.past or concept.stative or _is_noun(mention, concept):
            return Modality.ACTUAL, None
        stop = self._terminate.search(normal, walk.end)
        found = self._outer.search(normal, walk.end, stop.start() if stop else len(normal))
        if found:
            cue, effect = _cue(found, self._effects)
            return (effect, cue) if isinstance(effect, Modality) else (Modality.ACTUAL, cue)
        goes_on = mention.form == _CONTINUATIVE and not (walk.end == mention.end and normal.startswith(_POLITE, walk.end))
        goes_on = goes_on or normal[walk.end - 1 : walk.end] in "てで" or bool(_LIGHT_VERB.match(normal, walk.end))
        open_ended = goes_on and not walk.negations
        return (Modality.ACTUAL, None) if open_ended else (Modality.FUTURE, "nonpast")

    def _resolve(self, fact_id: str, assertions: Sequence[Assertion], text: TokenizedText) -> Fact | None:
        """Several mentions: yes wins over no, or the last one holds, as the fact says; a correction always lets the last one hold."""
        all_valued = [(a, v) for a in assertions if (v := self._value(a))]
        if not all_valued:
            return None
        valued = [(a, v) for a, v in all_valued if not self._concepts[a.mention.concept].weak] or all_valued
        value, policy = valued[-1][1], None
        if any(v != value for _, v in valued):
            policy = "last_wins" if self._corrected(valued, text.normal) else self._facts[fact_id].conflict
            value = value if policy == "last_wins" else "yes"
        kept = [a for a, v in valued if v == value]
        evidence = tuple(dict.fromkeys([_evidence(a, text) for a in kept]))
        cues = ",".join([c for a in kept for c in a.cues])
        conflict = f" conflict:{policy}" if policy else ""
        return Fact(fact_id, value, evidence, f"{kept[0].mention.concept}[{cues}]{conflict}")

    def _value(self, assertion: Assertion) -> Value | None:
        concept = self._concepts[assertion.mention.concept]
        if assertion.modality is Modality.ALMOST:
            return "no" if not concept.inverse and not concept.stative else None
        if assertion.modality is not Modality.ACTUAL:
            return None
        if not assertion.negated:
            return "no" if concept.inverse else "yes"
        if concept.negated == "opposite":
            return "yes" if concept.inverse else "no"
        return ("no" if concept.inverse else "yes") if concept.negated == "same" else None

    def _corrected(self, valued: Sequence[tuple[Assertion, Value]], normal: str) -> bool:
        return bool(self._correction.compiled.search(normal, valued[0][0].mention.end, valued[-1][0].mention.target))


_LIGHT_VERB = re.compile(r"[をも]?(?:し|いたし)(?:て|、|。|$)")
"""入力し、 / 送金して、: the noun goes on as a verb."""
_POLITE = "ます"
"""払います is as open as 払う."""
_VOICED = (Modality.QUESTION, Modality.FEAR, Modality.INTENTION, Modality.FUTURE, Modality.HEARSAY)
_PLAIN_EFFECTS = ("neutral", "past", "negate", "negate_past")
_FORM_MODALITY = {_IMPERATIVE: Modality.DEMAND, _VOLITIONAL: Modality.INTENTION}


def _searcher(cues: Iterable[CueEntry]) -> Searcher:
    return Searcher(_named(cues))


def _joined(cues: Iterable[CueEntry]) -> str:
    return "|".join(_named(cues)) or r"(?!)"


def _named(cues: Iterable[CueEntry]) -> list[str]:
    """Each pattern as a group with a name of its own."""
    return [f"(?P<{cue}__{i}>{plain_groups(pattern)})" for i, (pattern, cue) in enumerate(_rows(cues))]


def _rows(cues: Iterable[CueEntry]) -> list[tuple[str, str]]:
    """Pattern and cue. What makes a mention unreal goes first (「ないと」 before 「ない」), long before short."""
    rows = [(cue.effect in _PLAIN_EFFECTS, -len(pattern), pattern, cue.id) for cue in cues for pattern in cue.patterns]
    return [(pattern, cue) for *_, pattern, cue in sorted(rows, key=lambda row: row[:2])]


def _cue(found: re.Match[str], effects: Mapping[str, str]) -> tuple[str, str]:
    cue = (found.lastgroup or "").rsplit("__", 1)[0]
    return cue, effects[cue]


def _clause_start(normal: str, at: int, terminate: re.Pattern[str]) -> int:
    start = max(0, at - _LEFT_REACH)
    for found in terminate.finditer(normal, start, at):
        start = found.end()
    return start


def _is_noun(mention: Mention, concept: LexiconEntry) -> bool:
    return mention.form == 0 and not concept.acts


def _look_around(mention: Mention, normal: str, _walk: _Walk, concept: LexiconEntry) -> tuple[Modality, str | None]:
    quoted = not concept.quoted and _in_quotation(normal, mention.target)
    return (Modality.QUOTED, "quotation") if quoted else (Modality.ACTUAL, None)


def _in_quotation(normal: str, at: int) -> bool:
    """Inside 「…」 that is not the whole text (people also quote their own whole message)."""
    opened = max(normal.rfind(mark, max(0, at - _QUOTE_REACH), at) for mark in "「『")
    if opened < 0 or any(normal.rfind(mark, opened, at) >= 0 for mark in "」』"):
        return False
    closes = [i for mark in "」』" if (i := normal.find(mark, at, at + _QUOTE_REACH)) >= 0]
    whole = opened == 0 and closes and min(closes) >= len(normal) - 2
    return bool(closes) and not whole


def _evidence(assertion: Assertion, text: TokenizedText) -> Evidence:
    """The words of a mention; a number that runs into them is not cut: 3万円を送った, not 円を送った."""
    start = assertion.mention.start
    number = _NUMBER_BEFORE.search(text.normal, max(0, start - _LONGEST_NUMBER), start)
    span = text.original(number.start() if number else start, assertion.end)
    return Evidence(text.text[span.start : span.end], span.start, span.end)
