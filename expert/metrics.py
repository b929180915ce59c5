"""Figures from labels: hits with their intervals, F1, calibration, coverage, facts, a paired test.

Values in, values out; nothing here knows texts or rules. A figure that has no cases to rest on is None, never 0 or 1.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

RESAMPLES = 1000
SEED = 20261124
BINS = 10
_LEVEL = 95.0

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Interval:
    """A share (0..1) and its bootstrap 95 % interval (percentiles of 1,000 resamples, fixed seed)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One scenario against the others. `support` is the number of cases labelled so."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Cases whose confidence lies in (low, high]: how many, their mean confidence, their share of hits."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """`ece`: mean distance of confidence and accuracy over the bins, weighted by their cases."""

    ece: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left when `reviewed` (0..1) of the cases go to a person: accuracy of the kept and of the reviewed ones."""

    reviewed: float
    kept: float | None
    given_away: float | None


@dataclass(frozen=True, slots=True)
class FactScore:
    """How one fact (or all together) was read. Cases where readers differed are not in it.

    `false_yes` of `not_yes` cases that are not labelled yes got a yes; `wrong_no` got a no without being labelled so.
    """

    true_yes: int = 0
    false_yes: int = 0
    missed_yes: int = 0
    not_yes: int = 0
    true_no: int = 0
    labelled_no: int = 0
    wrong_no: int = 0

    @property
    def precision(self) -> float | None:
        """Of the facts read as yes, the share that is."""
        return ratio(self.true_yes, self.true_yes + self.false_yes)

    @property
    def recall(self) -> float | None:
        """Of the facts that are yes, the share that was read."""
        return ratio(self.true_yes, self.true_yes + self.missed_yes)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of the two."""
        return ratio(2 * self.true_yes, 2 * self.true_yes + self.false_yes + self.missed_yes)

    @property
    def no_accuracy(self) -> float | None:
        """Of the facts labelled no, the share read as no."""
        return ratio(self.true_no, self.labelled_no)

    @property
    def false_yes_rate(self) -> float | None:
        """Of the facts that are not yes, the share read as yes."""
        return ratio(self.false_yes, self.not_yes)


def ratio(part: float, whole: float) -> float | None:
    """`part / whole`, None where there is no whole."""
    return part / whole if whole else None


# ---- scenarios ------------------------------------------------------------------------------------------------------


def mean_interval(hits: Sequence[bool]) -> Interval:
    """Share of hits. Needs at least one case."""
    values = np.array(hits, dtype=float)
    return _interval(len(values), lambda chosen: float(values[chosen].mean()))


def macro_f1_interval(gold: Sequence[str], predicted: Sequence[str]) -> Interval:
    """Mean F1 of the scenarios that occur as a label (in the resample). Needs at least one case."""
    labels = {label: i for i, label in enumerate(dict.fromkeys([*gold, *predicted]))}
    g, p, size = np.array([labels[x] for x in gold]), np.array([labels[x] for x in predicted]), len(labels)
    cells = g * size + p
    return _interval(len(g), lambda chosen: _macro_f1(np.bincount(cells[chosen], minlength=size * size).reshape(size, size)))


def _interval(cases: int, figure: Callable[[Array], float]) -> Interval:
    resampled = [figure(chosen) for chosen in _resamples(cases)]
    low, high = np.percentile(resampled, [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2])
    return Interval(figure(np.arange(cases)), float(low), float(high))


def _resamples(cases: int) -> Iterator[Array]:
    """Drawn one by one: all at once would not fit in memory for a large file."""
    random = np.random.default_rng(SEED)
    return (random.integers(0, cases, cases) for _ in range(RESAMPLES))


def _macro_f1(counts: Array) -> float:
    """`counts[gold, predicted]`."""
    support = counts.sum(axis=1)
    f1 = 2 * counts.diagonal() / np.maximum(support + counts.sum(axis=0), 1)
    return float(f1[support > 0].mean())


def confusion(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Counts by label (row) and answer (column), both in the order of `labels`."""
    place = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    for g, p in zip(gold, predicted, strict=True):
        counts[place[g], place[p]] += 1
    return tuple(tuple(map(int, row)) for row in counts)


def class_scores(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> dict[str, ClassScore]:
    """Precision, recall and F1 of every label, from `confusion`."""
    table = np.array(counts)
    right, support, answered = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    return {
        label: ClassScore(
            precision=ratio(int(right[i]), int(answered[i])),
            recall=ratio(int(right[i]), int(support[i])),
            f1=ratio(2 * int(right[i]), int(support[i] + answered[i])),
            support=int(support[i]),
        )
        for i, label in enumerate(labels)
    }


# ---- confidence -----------------------------------------------------------------------------------------------------


def calibration(confidences: Sequence[float], hits: Sequence[bool]) -> Calibration:
    """Expected calibration error over ten bins of equal width."""
    sure, right = np.array(confidences), np.array(hits, dtype=float)
    place = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    bins = tuple(_bin(i, sure[place == i], right[place == i]) for i in range(BINS))
    distance = sum(b.count * abs((b.confidence or 0.0) - (b.accuracy or 0.0)) for b in bins)
    return Calibration(distance / len(sure), bins)


def _bin(i: int, sure: Array, right: Array) -> Bin:
    count = len(sure)
    confidence, accuracy = (float(sure.mean()), float(right.mean())) if count else (None, None)
    return Bin(i / BINS, (i + 1) / BINS, count, confidence, accuracy)


def kept_without(leads: Sequence[float], hits: Sequence[bool], share: float) -> Kept:
    """Send the `share` (0..1, rounded to whole cases) with the least lead over the second scenario to review."""
    order = np.argsort(np.array(leads), kind="stable")
    away = set(map(int, order[: math.floor(len(order) * share + 0.5)]))
    return kept_where([i in away for i in range(len(order))], hits)


def kept_where(reviewed: Sequence[bool], hits: Sequence[bool]) -> Kept:
    """Send the cases marked `reviewed` to review."""
    pairs = list(zip(reviewed, hits, strict=True))
    kept, away = ([hit for r, hit in pairs if r is side] for side in (False, True))
    return Kept(len(away) / len(pairs), ratio(sum(kept), len(kept)), ratio(sum(away), len(away)))


# ---- facts ----------------------------------------------------------------------------------------------------------

Reading = tuple[Mapping[str, str], Mapping[str, str], Iterable[str]]
"""Facts as labelled, facts as read (`yes`, `no`, or missing), facts on which readers differed."""


def fact_scores(readings: Iterable[Reading], facts: Iterable[str]) -> dict[str, FactScore]:
    """Score of every fact of `facts`."""
    known = list(readings)
    return {fact: _fact_score([(g.get(fact), s.get(fact)) for g, s, unsure in known if fact not in unsure]) for fact in facts}


def _fact_score(pairs: Sequence[tuple[str | None, str | None]]) -> FactScore:
    """`pairs` of (labelled, read)."""
    cells = Counter((g or "unknown", s or "unknown") for g, s in pairs)
    labelled = Counter(g or "unknown" for g, _ in pairs)
    return FactScore(
        true_yes=cells["yes", "yes"],
        false_yes=cells["no", "yes"] + cells["unknown", "yes"],
        missed_yes=cells["yes", "no"] + cells["yes", "unknown"],
        not_yes=labelled["no"] + labelled["unknown"],
        true_no=cells["no", "no"],
        labelled_no=labelled["no"],
        wrong_no=cells["yes", "no"] + cells["unknown", "no"],
    )


def total(scores: Iterable[FactScore]) -> FactScore:
    """All facts together (micro): the counts added up."""
    return FactScore(*map(sum, zip(*map(astuple, scores), strict=True)))


# ---- two runs -------------------------------------------------------------------------------------------------------


def mcnemar(fixed: int, broken: int) -> float:
    """Exact two-sided McNemar test: probability of a split at least this uneven if fixing and breaking were equally likely."""
    changed = fixed + broken
    tail = sum(math.comb(changed, k) for k in range(min(fixed, broken) + 1))
    return float(min(1.0, 2 * tail / 2**changed))
