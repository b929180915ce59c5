"""Facts from two readers: the rules of assertion, and the model that has learnt from whole stories which words come with a fact.

The rules tell 払った from 払いそうになった and 払わなかった, and show their words; they miss what a long story says in a roundabout way.
The model sees that, but not who did what. Both are weighed as evidence: the log odds of a fact are a sum of what the model says of this
and of all other facts, of how often the fact is stated in stories of this scenario, of the concepts that are mentioned (`expert.hints`), and
of what the rules read. In a sentence or two, which turn on a cue and not on their words, the rules alone decide what they find spoken of, and
everywhere what no training example says yes to.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from expert.alarm import Alarming, is_played
from expert.domain import Evidence, Fact, Mention, Modality, Statement, TokenizedText

Array = np.ndarray[Any, Any]

WEIGHTS = Path(__file__).with_name("recognition.tsv")
"""For each fact (a row) the weights of the sum, in log odds: `bias`, `scenario` of the fact's log odds in the scenario, `read_yes` and `read_no`
of what the rules say, and of the model's value of every statement, for facts come together and shut each other out.

Fitted by logistic regression on the training corpus, beside the values of a model that has not read the writer (`python eval/recognition.py`).
"""
_OTHERWISE = {"bias": 0.8, "scenario": 0.57, "read_yes": 0.49, "read_no": -1.72}
_OWN = 4.33
"""The same for a fact that has no row, and for its own yes: fitted as one set for all facts."""
YES, SHORT_YES = 0.2, 1.5
"""Log odds from which a fact is taken as stated, in a long text and in a short one.

The best F1, held out as above, is lower; but a fact that is not true costs more than one missed, and short texts are where the words of a
fact stand without the fact (the one-line cases of tests/language).
"""
KEEP_YES = -0.5
"""Log odds from which a yes of the rules is kept in a long text: lower, since it has words to show (better held out as above, and on every split)."""
NO, KEEP_NO = 0.1, -0.6
"""Values of the model from which it adds a no, and from which a no of the rules is kept (about the best F1, held out as above). For NO
that is a little lower, but too much of what it adds there was not said: a no that is missed costs a question, a wrong one a call."""
ALARM, ALARM_AWAY, UNEASY, DOUBTED = -0.8, -0.2, -1.1, -1.4
"""Suspicion of danger (the most alarming sentence, `expert.alarm`, in such a story) from which it is taken as stated, the same where nothing
here is ours, from which it is asked for before all else, and up to which words of danger that the rules read are doubted where they may mean none.

The first two were chosen on the training corpus, each writer held out (`python eval/recognition.py`), the others by what is asked for on the splits.
"""
_PLAYED_ALARM = 1.5
"""The same as ALARM_AWAY beside a game or fiction."""
_OF_STORY, _LEAST_ODDS = 0.25, -4.0
"""What the log odds of danger in the story, at least these, add to the value of the sentence: no harmless story takes a cry for help away."""
SHORT_TEXT = 45
"""Characters up to which the rules alone decide what they find spoken of."""
_DANGER = "danger"
_DENIED_AS_WELL = " conflict:yes_wins"
"""What `Fact.why` says where a yes and a no were read and neither takes the other back (`expert.assertion`)."""
LEARNT = "learnt"
"""How `Fact.why` begins where the model says so."""

_UNREAL = frozenset((Modality.DEMAND, Modality.QUESTION, Modality.INTENTION, Modality.CONDITION, Modality.QUOTED))
_END = re.compile(r"[。！？!?\n\s]+\Z")
_LAST = re.compile(r"[^。！？!?\n]*\Z")
_CLOSED = re.compile(
    r"[^。！？!?\n]*"
    r"(?:[。！？!?\n]+(?:(?!しま[いっう]|ちゃ|じゃっ|まし|た[のんがけ])[^。！？!?\n]){0,40}(?:でしょう|ですか|ますか|ませんか|のか|かな|べき|どう|心配|不安|怖い|こわい|困って)[^。！？!?\n]{0,10})*\Z"
)
"""To the end of the text; with _CLOSED also beyond the sentence, where only a question or a worry follows that tells nothing done: 本当でしょうか."""
ModalityOf = Callable[[Mention, TokenizedText], Modality]
Clauses = Callable[[TokenizedText, Sequence[Statement]], Sequence[tuple[int, int]]]
"""For each statement the span of the normal text that speaks most for it."""


class Heard:
    """What the model says of a text: log odds of all facts, values of all statements; by these the facts above YES, and those denied above NO."""

    def __init__(self, odds: list[float], values: list[float], likely: list[str], denied: list[str]) -> None:
        self.odds: Final = odds
        self.values: Final = values
        self.likely: Final = likely
        self.denied: Final = denied


class Alarmed(NamedTuple):
    """The facts of a text; whether danger is asked for before all else; and whether that is because what the rules read of it is in doubt."""

    facts: tuple[Fact, ...]
    uneasy: bool
    doubted: bool


class Recognizer:
    """Puts the two readers together. Values in, values out; safe for several threads."""

    def __init__(
        self,
        statements: Sequence[Statement],
        fact_of: Mapping[str, str],
        shares: Array,
        modality_of: ModalityOf,
        untaught: frozenset[str] = frozenset(),
    ) -> None:
        """`statements`: what the model tells: each fact as yes, in the order of the knowledge base, then some as no.

        `fact_of`: the fact of each concept. `shares`: how many of the stories of a scenario say yes to a fact [scenarios, facts], between 0 and 1.
        `modality_of`: how the rules read a mention. `untaught`: facts of which the model knows nothing.
        """
        self._names = [fact for fact, value in statements if value == "yes"]
        self._denied = [fact for fact, value in statements if value == "no"]
        self._place = {name: i for i, name in enumerate(self._names)}
        self._denial = {name: i for i, name in enumerate(self._denied, start=len(self._names))}
        self._fact_of = fact_of
        self._shares = shares
        self._untaught = untaught
        weights = _weights(self._names, frozenset(map("=".join, statements)))
        self._of_model = np.array([[row.get("=".join(statement), 0.0) for row in weights] for statement in statements])
        self._of_scenario, self._bias = (np.array([row[name] for row in weights]) for name in ("scenario", "bias"))
        self._read = {name: {"yes": row["read_yes"], "no": row["read_no"]} for name, row in zip(self._names, weights, strict=True)}
        self._modality_of = modality_of

    def log_odds(self, values: Array, probabilities: Array, hints: Array | float = 0.0) -> Array:
        """Log odds of each fact before what the rules read of it is heard [texts, facts].

        From the model's values [texts, statements], the probabilities of the scenarios [texts, scenarios], and what `hints` add [texts, facts].
        """
        share = probabilities @ self._shares
        return np.asarray(values @ self._of_model + self._of_scenario * np.log(share / (1 - share)) + self._bias + hints)

    def heard(self, odds: Array, values: Array, *, alarm: bool = True) -> "list[Heard]":
        """What the model says of each text, from the log odds of the facts [texts, facts] and its values [texts, statements].

        Where there is an `alarm`, the model neither states nor denies danger: a sentence tells it, and a whole story hardly.
        """
        said, no = odds > YES, values[:, len(self._names) :] > NO
        if alarm and _DANGER in self._place:
            said[:, self._place[_DANGER]] = False
            no[:, [i for i, name in enumerate(self._denied) if name == _DANGER]] = False
        likely, denied = self._named(said, self._names), self._named(no, self._denied)
        return list(map(Heard, odds.tolist(), values.tolist(), likely, denied))

    @staticmethod
    def _named(said: Array, names: Sequence[str]) -> list[list[str]]:
        """For each row of a table of truth values the names of its columns."""
        out: list[list[str]] = [[] for _ in range(len(said))]
        for i, column in np.argwhere(said).tolist():
            out[i].append(names[column])
        return out

    def settle(
        self,
        text: TokenizedText,
        mentions: Iterable[Mention],
        read: Iterable[Fact],
        heard: "Heard",
        clauses: Clauses | None,
    ) -> tuple[Fact, ...]:
        """The facts of a text: `read` are those of the rules, `heard` what the model says.

        `clauses` finds the words of what the model adds; without it these facts show none.
        """
        known = {fact.id: fact for fact in read}
        odds, place = heard.odds.copy(), self._place
        added: list[Statement]
        if len(text.normal) <= SHORT_TEXT:
            spoken_of = {self._fact_of.get(mention.concept) for mention in mentions}
            added = [(name, "yes") for name in heard.likely if odds[place[name]] > SHORT_YES and name not in spoken_of]
        else:
            for name, fact in list(known.items()):
                odds[place[name]] += self._read[name][fact.value]
                if name not in self._untaught and not self._is_kept(fact, odds[place[name]], heard.values):
                    del known[name]
            added = [(name, "yes") for name in heard.likely if name not in known and odds[place[name]] > YES]
            added += [(name, "no") for name in heard.denied if name not in known and odds[place[name]] <= YES]
            if added:
                last = {self._fact_of.get(mention.concept): mention for mention in mentions}
                added = [(name, value) for name, value in added if not (name in last and self.is_left_open(last[name], text))]
        if not added:
            return tuple(known.values())
        known |= _learnt(added, text, clauses)
        return tuple([known[name] for name in self._names if name in known])

    def suspicion(self, alarming: Alarming | None, heard: "Heard") -> float:
        """How much speaks for danger: the value of the most alarming sentence, and the log odds of danger in such a story as a whole."""
        place = self._place.get(_DANGER)
        return -np.inf if alarming is None or place is None else alarming.value + _OF_STORY * max(heard.odds[place], _LEAST_ODDS)

    def alarmed(self, text: TokenizedText, facts: tuple[Fact, ...], alarming: Alarming | None, heard: "Heard", *, ours: bool) -> "Alarmed":
        """The facts, with danger where a sentence of the text is alarming.

        What the rules read stands, but for two kinds of words, of which danger is asked for first: a yes that is denied as well, or in a text that is
        nothing of ours (`ours`), where people tell of films, games and the past, unless a sentence is somewhat alarming; and a no beside an alarm.
        """
        if alarming is None:
            return Alarmed(facts, False, False)
        suspicion, read = self.suspicion(alarming, heard), next((f for f in facts if f.id == _DANGER), None)
        enough = ALARM if ours else _PLAYED_ALARM if is_played(text.normal, alarming.begin, alarming.end) else ALARM_AWAY
        if read is None and suspicion > enough:
            span = text.original(alarming.begin, alarming.end)
            told = Fact(_DANGER, "yes", (Evidence(text.text[span.start : span.end], span.start, span.end),), LEARNT)
            facts = tuple(sorted([*facts, told], key=lambda fact: self._place[fact.id]))
        if read is None:
            return Alarmed(facts, suspicion > UNEASY, False)
        by_words_alone = read.value == "yes" and suspicion <= DOUBTED and (not ours or _DENIED_AS_WELL in read.why)
        if by_words_alone or (read.value == "no" and suspicion > ALARM):
            return Alarmed(tuple(fact for fact in facts if fact is not read), True, True)
        return Alarmed(facts, suspicion > UNEASY, False)

    def _is_kept(self, fact: Fact, odds: float, values: Sequence[float]) -> bool:
        if fact.value == "no":
            column = self._denial.get(fact.id)
            return column is None or values[column] > KEEP_NO
        return fact.id == _DANGER or odds > KEEP_YES

    def is_left_open(self, mention: Mention, text: TokenizedText) -> bool:
        """Whether a text leaves a fact at 入れそうになった, or ends with it as demanded, asked, intended, supposed or quoted:
        振り込むように言われています. For money a question or a worry behind it is still the end.

        Then the model adds nothing. This costs a thousandth of F1 held out by writer (eval/recognition.py), but a person who sees these words
        shown for 振り込んだ trusts nothing else.
        """
        modality = self._modality_of(mention, text)
        if modality is Modality.ALMOST:
            return True
        to_end = _CLOSED if self._fact_of.get(mention.concept) == "paid" else _LAST
        return modality in _UNREAL and bool(to_end.match(_END.sub("", text.normal), mention.end))


def _weights(facts: Iterable[str], made: frozenset[str]) -> list[dict[str, float]]:
    """The weights of each fact. What the model never says (`made`: what it says) counts as clearly not said, which is a value of -1."""
    with WEIGHTS.open(encoding="utf-8") as file:
        rows = {row.pop("fact"): {name: float(weight) for name, weight in row.items()} for row in csv.DictReader(file, delimiter="\t")}
    for row in rows.values():
        row["bias"] -= sum([weight for name, weight in row.items() if "=" in name and name not in made])
    return [rows.get(fact) or {**_OTHERWISE, f"{fact}=yes": _OWN} for fact in facts]


def _learnt(added: Sequence[Statement], text: TokenizedText, clauses: Clauses | None) -> dict[str, Fact]:
    if clauses is None:
        return {name: Fact(name, value, (), LEARNT) for name, value in added}
    out = {}
    for (name, value), clause in zip(added, clauses(text, added), strict=True):
        span = text.original(*clause)
        out[name] = Fact(name, value, (Evidence(text.text[span.start : span.end], span.start, span.end),), LEARNT)
    return out
