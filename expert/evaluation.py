"""Labelled cases -> what came of each, and the figures over all of them."""

import datetime
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from expert import metrics, policy
from expert.corpus import Example
from expert.domain import Answer
from expert.errors import EvaluationError, InputError
from expert.metrics import Calibration, ClassScore, FactScore, Interval, Kept
from expert.pipeline import Expert
from expert.policy import Pair

REFUSED = "refused"
"""Stands where a scenario would, for a text that `Expert.ask` does not take. It counts as a miss."""
EXCERPT = 120
"""Characters of a text that a list of errors shows."""
_CALLS = frozenset({"bank", "card_company", "call_bank_freeze", "stop_card", "stop_online_banking"})
_SHARES = tuple(i / 50 for i in range(46))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case. Holds no text: it may be kept and compared."""

    id: str
    gold: str
    accept: tuple[str, ...]
    predicted: str
    second: str
    confidence: float
    needs_review: bool
    facts: Mapping[str, str]
    gold_facts: Mapping[str, str]
    unsure_facts: tuple[str, ...]
    required: tuple[Pair, ...]
    missing: tuple[Pair, ...]
    forbidden: tuple[Pair, ...]
    lead: float = -1.0
    """Of the first scenario over the second: whoever sends the least sure cases to review goes by it."""

    @property
    def hit(self) -> bool:
        """Whether the first scenario is the label."""
        return self.predicted == self.gold

    @property
    def reading(self) -> metrics.Reading:
        """Facts of the label, facts read, and those on which readers differ."""
        return self.gold_facts, self.facts, self.unsure_facts

    def hit_within(self, first: int, *, accept: bool) -> bool:
        """Whether the label (or one that is also right) is among the first one or two candidates."""
        right = {self.gold, *self.accept} if accept else {self.gold}
        return not right.isdisjoint((self.predicted, self.second)[:first])


@dataclass(frozen=True, slots=True)
class Advice:
    """Required advice over all cases: `given` of `required` (rule, id) pairs, and which ones were missing how often."""

    required: int
    given: int
    missing: Mapping[str, int]
    forbidden: int

    @property
    def recall(self) -> float | None:
        """Share of the required advice that was given; None where none was required."""
        return metrics.ratio(self.given, self.required)


@dataclass(frozen=True, slots=True)
class Danger:
    """One kind of dangerous error: the ids of the cases where it happened, of how many where it could."""

    cases: tuple[str, ...]
    of: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of one run over one labelled file (or several taken together)."""

    name: str
    date: str
    versions: Mapping[str, str]
    outcomes: tuple[Outcome, ...]
    hits: Mapping[str, Interval]
    scenarios: Mapping[str, ClassScore]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: Calibration
    without_tenth: Kept
    at_flag: Kept
    coverage: tuple[Kept, ...]
    facts: Mapping[str, FactScore]
    all_facts: FactScore
    advice: Advice
    safety: Mapping[str, Danger]

    @property
    def refused(self) -> int:
        """Texts that `Expert.ask` did not take."""
        return sum(o.predicted == REFUSED for o in self.outcomes)


# ---- from examples to outcomes --------------------------------------------------------------------------------------


def run(expert: Expert, examples: Iterable[Example], on_case: Callable[[], None] = lambda: None) -> list[Outcome]:
    """Ask the expert every example. `on_case` is called after each.

    Raises EvaluationError if there is no example or an id comes twice (outcomes are compared by id).
    """
    given = list(examples)
    if not given:
        raise EvaluationError("ラベル付きの例が一つもありません。一行に一つ、id・text・scenario を書いてください。")
    if twice := [name for name, count in Counter(e.id for e in given).items() if count > 1]:
        raise EvaluationError(f"同じ id が二度以上あります: {'、'.join(twice[:10])}。id は例ごとに変えてください。")
    outcomes = []
    for example in given:
        outcomes.append(_outcome(expert, example))
        on_case()
    return outcomes


def _outcome(expert: Expert, example: Example) -> Outcome:
    try:
        answer: Answer | None = expert.ask(example.text, id=example.id, questions=False)
    except InputError:
        answer = None
    candidates = [c.scenario for c in answer.candidates] if answer else [REFUSED]
    methods = answer.attributes.payment_method if answer else ()
    floor = policy.advice(example.scenario, example.facts, methods)
    given = {a.id for a in answer.actions} | {d.id for d in answer.desks} if answer else set()
    return Outcome(
        id=example.id,
        gold=example.scenario,
        accept=example.accept,
        predicted=answer.scenario if answer else REFUSED,
        second=next((c for c in candidates[1:2]), REFUSED),
        confidence=answer.confidence if answer else 0.0,
        needs_review=answer.needs_review if answer else True,
        facts={f.id: f.value for f in answer.facts} if answer else {},
        gold_facts=example.facts,
        unsure_facts=example.unsure_facts,
        required=floor.required,
        missing=tuple(pair for pair in floor.required if pair[1] not in given),
        forbidden=tuple(pair for pair in floor.forbidden if pair[1] in given),
        lead=answer.lead if answer else -1.0,
    )


# ---- from outcomes to figures ---------------------------------------------------------------------------------------


def evaluate(outcomes: Sequence[Outcome], expert: Expert, name: str) -> Evaluation:
    """All figures. `name` says what was measured (a file name); needs at least one outcome."""
    gold, predicted = [o.gold for o in outcomes], [o.predicted for o in outcomes]
    labels = tuple(label for label in (*expert.knowledge.scenarios, REFUSED) if label in {*gold, *predicted})
    confusion = metrics.confusion(gold, predicted, labels)
    sure, leads, right = [o.confidence for o in outcomes], [o.lead for o in outcomes], [o.hit for o in outcomes]
    facts = metrics.fact_scores((o.reading for o in outcomes), expert.knowledge.facts)
    return Evaluation(
        name=name,
        date=datetime.date.today().isoformat(),
        versions=expert.versions,
        outcomes=tuple(outcomes),
        hits=hits(outcomes),
        scenarios={s: score for s, score in metrics.class_scores(confusion, labels).items() if s != REFUSED},
        labels=labels,
        confusion=confusion,
        calibration=metrics.calibration(sure, right),
        without_tenth=metrics.kept_without(leads, right, 0.1),
        at_flag=metrics.kept_where([o.needs_review for o in outcomes], right),
        coverage=tuple(metrics.kept_without(leads, right, share) for share in _SHARES),
        facts=facts,
        all_facts=metrics.total(facts.values()),
        advice=_advice(outcomes),
        safety=_safety(outcomes),
    )


def hits(outcomes: Sequence[Outcome]) -> dict[str, Interval]:
    """The headline figures, each with its interval."""
    shares = {
        f"hits_at_{first}{'_accept' if accept else ''}": metrics.mean_interval([o.hit_within(first, accept=accept) for o in outcomes])
        for first in (1, 2)
        for accept in (False, True)
    }
    return {**shares, "macro_f1": metrics.macro_f1_interval([o.gold for o in outcomes], [o.predicted for o in outcomes])}


def _advice(outcomes: Sequence[Outcome]) -> Advice:
    required = sum(len(o.required) for o in outcomes)
    missing = Counter(f"{rule} {entry}" for o in outcomes for rule, entry in o.missing)
    return Advice(required, required - missing.total(), dict(missing.most_common()), sum(len(o.forbidden) for o in outcomes))


def _safety(outcomes: Sequence[Outcome]) -> dict[str, Danger]:
    danger = [o for o in outcomes if o.gold_facts.get("danger") == "yes" and "danger" not in o.unsure_facts]
    unpaid = [o for o in outcomes if o.gold_facts.get("paid") != "yes" and "paid" not in o.unsure_facts]
    calls = [o for o in outcomes if _calls(o.required)]
    return {
        "danger_missed": _danger(danger, lambda o: o.facts.get("danger") != "yes"),
        "paid_wrongly_yes": _danger(unpaid, lambda o: o.facts.get("paid") == "yes"),
        "bank_or_card_call_missed": _danger(calls, lambda o: _calls(o.missing)),
        "forbidden_advice": _danger(outcomes, lambda o: bool(o.forbidden)),
    }


def _danger(cases: Sequence[Outcome], happened: Callable[[Outcome], bool]) -> Danger:
    return Danger(tuple(o.id for o in cases if happened(o)), len(cases))


def _calls(pairs: Iterable[Pair]) -> bool:
    return any(entry in _CALLS for _, entry in pairs)


# ---- errors ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Miss:
    """A case with the wrong scenario: its words, what was understood, and the features that spoke for the answer and against the label."""

    outcome: Outcome
    excerpt: str
    words: tuple[tuple[str, float], ...]
    revised_by: str | None


def misses(expert: Expert, examples: Iterable[Example], outcomes: Sequence[Outcome], most: int, *, words: int = 6) -> list[Miss]:
    """At most `most` strict misses: those that no second label excuses first, the surest first. This is the only place that holds texts."""
    texts = {e.id: e.text for e in examples}
    wrong = sorted((o for o in outcomes if not o.hit), key=lambda o: (o.hit_within(1, accept=True), -o.confidence))
    return [_miss(expert, o, texts[o.id], words) for o in wrong[:most]]


def _miss(expert: Expert, outcome: Outcome, text: str, words: int) -> Miss:
    excerpt = " ".join(text[:EXCERPT].split()) + ("…" if len(text) > EXCERPT else "")
    if outcome.predicted == REFUSED:
        return Miss(outcome, excerpt, (), None)
    firings = expert.ask(text, questions=False).decision.trace
    revised = next((f.rule for f in firings if f"scenario:{outcome.predicted}" in f.adds), None)
    return Miss(outcome, excerpt, deciding(expert, text, outcome.predicted, outcome.gold)[:words], revised)


def deciding(expert: Expert, text: str, answer: str, gold: str) -> tuple[tuple[str, float], ...]:
    """Features and hints by how much they moved the log odds of `answer` above those of `gold`, most first."""
    model = expert.model
    if not {answer, gold} <= set(model.scenarios):
        return ()
    found, hints = expert.features(text), expert.hints_in(text)
    a, g = model.scenarios.index(answer), model.scenarios.index(gold)
    counts = Counter(f for f in found if f in model.vocabulary)
    values = {f: (1 + math.log(n)) * model.idf[model.vocabulary[f]] for f, n in counts.items()}
    length = sum(v * v for v in values.values()) ** 0.5
    scale = length * model.temperature
    moved = {f: float(v / scale * (model.weights[i := model.vocabulary[f], a] - model.weights[i, g])) for f, v in values.items()}
    moved |= {name: float(weights[a] - weights[g]) for name, weights in zip(hints, expert.hints.weigh([[hint] for hint in hints])[0], strict=True)}
    return tuple(sorted(moved.items(), key=lambda item: -item[1]))
