"""The nouns of kakekomi, in the order in which they appear on the way from text to answer.

Everything is frozen: NamedTuples, quicker to make than data classes. What is read most often, before there is an answer, are classes, which mypyc
turns into structures (`make compiled`). Offsets are characters of the text as the user gave it, half-open.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Protocol

Value = Literal["yes", "no"]
Urgency = Literal["never", "now", "today", "soon"]
Statement = tuple[str, Value]
"""A fact and the value that a text may state of it: ("paid", "yes")."""

URGENCIES: tuple[Urgency, ...] = ("never", "now", "today", "soon")
OUT_OF_SCOPE = "out_of_scope"


class Span(NamedTuple):
    """Half-open range of characters."""

    start: int
    end: int


class Morpheme(Protocol):
    """What is read of a Sudachi morpheme beside its normalized form; offsets are into the normal text."""

    def begin(self) -> int:
        """Offset of its first character."""

    def end(self) -> int:
        """Offset behind its last character."""

    def part_of_speech_id(self) -> int:
        """Sudachi's number of its part of speech and conjugation."""


class TokenizedText:
    """A text with the normalized forms of its tokens, and its morphemes (what is seldom read is read when it is asked for: speed).

    `normal` is the folded text (NFKC, blanks between Japanese characters dropped, a text in kana in its usual writing) that all analysis
    reads; `origin[i]` is the offset in `text` of `normal[i]`, with one more entry for the end, or
    None where every character kept its place. `skipped`: which morphemes are no tokens, in order. `kana`: whether the text was written in kana alone.
    """

    def __init__(
        self,
        text: str,
        normal: str,
        origin: tuple[int, ...] | None,
        lemmas: list[str],
        morphemes: Sequence[Morpheme],
        form_of: Callable[[int], int],
        skipped: Sequence[int] = (),
        kana: bool = False,
    ) -> None:
        """`form_of`: the conjugation form of a part-of-speech id (constants of `expert.tokenizer`)."""
        self.text: Final = text
        self.normal: Final = normal
        self.origin: Final = origin
        self.lemmas: Final = lemmas
        self.kana: Final = kana
        self._morphemes: Final = morphemes
        self._skipped: Final = skipped
        self._form_of: Final = form_of

    def place(self, i: int) -> tuple[int, int]:
        """Where a token begins and ends in `normal`."""
        morpheme = self._morpheme(i)
        return morpheme.begin(), morpheme.end()

    def form(self, i: int) -> int:
        """Conjugation form of a token."""
        return self._form_of(self._morpheme(i).part_of_speech_id())

    def _morpheme(self, i: int) -> Morpheme:
        for skipped in self._skipped:
            if skipped > i:
                break
            i += 1
        return self._morphemes[i]

    def original(self, start: int, end: int) -> Span:
        """The span of the given text that `normal[start:end]` came from."""
        if self.origin is None:
            return Span(start, end)
        if end <= start:
            return Span(self.origin[start], self.origin[end])
        least, stop = self.origin[end - 1] + 1, self.origin[end]
        while stop > least and (self.text[stop - 1].isspace() or not self.text[stop - 1].isprintable()):
            stop -= 1  # dropped between this character and the next
        return Span(self.origin[start], max(stop, least))


class Score(NamedTuple):
    """A calibrated probability (0..1) of one scenario."""

    scenario: str
    value: float


OUT_OF_SCOPE_COSTS = 0.2
"""By how much more "nothing here is ours" must be ahead to be as sure as another scenario: wrong, it leaves somebody without help."""


def lead(scores: Sequence[Score]) -> float:
    """How far the first scenario is ahead of the second: the lower, the more is a wrong answer to be feared."""
    first, second = scores[:2]
    return first.value - second.value - (OUT_OF_SCOPE_COSTS if first.scenario == OUT_OF_SCOPE else 0.0)


class Mention:
    """Where a concept stands in the normal text. `start` may include the object of the verb; `form`: its conjugation (`expert.tokenizer`)."""

    def __init__(self, concept: str, start: int, target: int, end: int, form: int = 0) -> None:
        self.concept: Final = concept
        self.start: Final = start
        self.target: Final = target
        self.end: Final = end
        self.form: Final = form


class Modality(StrEnum):
    """Factuality of a mention (真偽判断): only ACTUAL can make a fact yes or no."""

    ACTUAL = "actual"
    DEMAND = "demand"
    INTENTION = "intention"
    QUESTION = "question"
    CONDITION = "condition"
    FEAR = "fear"
    ALMOST = "almost"
    HEARSAY = "hearsay"
    QUOTED = "quoted"
    OTHER = "other_person"
    FUTURE = "future"


class Assertion:
    """A mention with its polarity (肯否極性) and modality, and the cues that decided them.

    `end` is where the walk over the cues to its right ended: the end of the words that show it.
    """

    def __init__(self, mention: Mention, negated: bool, modality: Modality, cues: tuple[str, ...], end: int) -> None:
        self.mention: Final = mention
        self.negated: Final = negated
        self.modality: Final = modality
        self.cues: Final = cues
        self.end: Final = end


class Evidence(NamedTuple):
    """The user's own words."""

    text: str
    start: int
    end: int


class Fact(NamedTuple):
    """A fact that the text states, with the words that show it; `why` names concept, cues and policy."""

    id: str
    value: Value
    evidence: tuple[Evidence, ...]
    why: str = ""


class Attributes(NamedTuple):
    """What else was read: sums, ways of payment, place, device, time. Empty where nothing was said."""

    amount_jpy: int | None = None
    payment_method: tuple[str, ...] = ()
    prefecture: str | None = None
    device: str | None = None
    elapsed: str | None = None


class Case(NamedTuple):
    """What the rules see of a complaint: enumerated values only, never a word of the user's.

    `settled`: the scenario is so sure, with these facts in view, that only rules marked `even_if_sure` may revise it.
    """

    scenario: str
    facts: Mapping[str, str]
    payment_method: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    device: str | None = None
    prefecture: str | None = None
    settled: bool = False

    def signature(self) -> tuple[object, ...]:
        """Equal signatures get equal advice (the same facts in another order make another)."""
        return (self.scenario, tuple(self.facts.items()), self.payment_method, self.signs, self.device, self.prefecture, self.settled)


class Firing(NamedTuple):
    """One rule that fired: on which conditions, and what it added (`action:…`, `desk:…`, `state:…`, `scenario:…`)."""

    rule: str
    because: str
    on: tuple[str, ...]
    adds: tuple[str, ...]


class AdvisedAction(NamedTuple):
    """Something to do or never to do, the words that led to it, the rules that chose it, and its source."""

    id: str
    urgency: Urgency
    text: str
    because: str
    rules: tuple[str, ...]
    source: str
    checked: str
    confidence: str
    done: bool = False
    """The person says to have done it."""


class AdvisedDesk(NamedTuple):
    """Whom to call, why, and the rules that chose it; at least one of `phone`, `url` and `how` is there."""

    id: str
    name: str
    phone: str | None
    url: str | None
    hours: str | None
    how: str | None
    because: str
    rules: tuple[str, ...]
    source: str
    checked: str
    confidence: str


class Question(NamedTuple):
    """A fact worth asking for, and the action and desk ids that an answer (for `paid`: with the way of payment asked next) would add or take away."""

    fact: str
    text: str
    changes: tuple[str, ...]


class Decision(NamedTuple):
    """What follows from a case alone: remembered by its signature."""

    scenario: str
    actions: tuple[AdvisedAction, ...]
    desks: tuple[AdvisedDesk, ...]
    trace: tuple[Firing, ...]


class Answer(NamedTuple):
    """The answer to one complaint; `explanation.to_json` gives the published object."""

    id: str | int
    scenario: str
    confidence: float
    candidates: tuple[Score, ...]
    needs_review: bool
    facts: tuple[Fact, ...]
    attributes: Attributes
    decision: Decision
    questions: tuple[Question, ...]
    versions: Mapping[str, str]
    decider: str | None = None
    """A question in plain words that would tell the first two candidates apart; only where needs_review."""
    read_as: str | None = None
    """A text in kana as it was read."""

    @property
    def lead(self) -> float:
        """See `lead`: the lowest go to review."""
        return lead(self.candidates)

    @property
    def actions(self) -> tuple[AdvisedAction, ...]:
        """In the order in which to act."""
        return self.decision.actions

    @property
    def desks(self) -> tuple[AdvisedDesk, ...]:
        """In the order in which to call them."""
        return self.decision.desks

    def fact(self, fact_id: str) -> str:
        """`yes`, `no` or `unknown`."""
        return next((f.value for f in self.facts if f.id == fact_id), "unknown")
