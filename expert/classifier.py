"""Which scenario, and which facts do such words come with? A linear model over TF-IDF, applied with numpy.

Features: Sudachi normalized forms, numerals, and three characters in a row: the text alone, so that an edit of the rules needs no training. What the
rules read of it is weighed beside the model (`expert.hints`). `expert.training` makes the model, `expert.model_cache` keeps it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from expert.alarm import Alarm
from expert.domain import Score, Statement, TokenizedText
from expert.numerals import NUMERAL
from expert.trigrams import trigrams

_KEPT, _TINY, _LEAST_SHARE = 6, 1e-12, 0.002
SKIPPED = frozenset("はがをにでとのもへや、。0123456789零一二三四五六七八九十百千万億")
"""Words that count only as part of three characters in a row, or of a numeral."""

Features = list[str]
Array = np.ndarray[Any, Any]


def features(text: TokenizedText) -> Features:
    """All features of a text, repeated as often as they occur."""
    return words(text) + trigrams(text.normal)


def words(text: TokenizedText) -> Features:
    """All features but the three characters in a row, which show endings, compounds and misspellings."""
    out = [lemma for lemma in text.lemmas if lemma not in SKIPPED]
    out += ["number:" + numeral for numeral in NUMERAL.findall(text.normal)]  # 980 is a first parcel, 99,800 an adult bill
    return out


@dataclass(frozen=True)
class Model:
    """Weights [features, scenarios and statements], idf [features], and what training found out about itself.

    The columns of weights and bias are the scenarios, then the statements: above zero where a text is likely to make one.
    """

    scenarios: tuple[str, ...]
    statements: tuple[Statement, ...]
    vocabulary: Mapping[str, int]
    idf: Array
    weights: Array
    bias: Array
    temperature: float
    review_below: float
    priors: Mapping[str, Mapping[str, float]]
    key: str
    alarm: Alarm | None = None
    """Hears danger to life in single sentences; none where the corpus has no such sentences."""

    def decisions(self, found: Sequence[Features]) -> Array:
        """Decision values [texts, scenarios]: sublinear tf x idf, unit length, times the weights."""
        return self.decide(map(self._vector, found))[:, : len(self.scenarios)]

    def shares(self) -> Array:
        """How many of the stories of a scenario say yes to a fact [scenarios, facts]; never quite none or all."""
        facts = [fact for fact, value in self.statements if value == "yes"]
        share = np.array([[self.priors.get(s, {}).get(f, 0.0) for f in facts] for s in self.scenarios])
        return np.asarray(np.clip(share, _LEAST_SHARE, 1 - _LEAST_SHARE))

    def untaught(self) -> frozenset[str]:
        """Facts that no example says yes to."""
        return frozenset(fact for fact, _ in self.statements).difference(*self.priors.values())

    def _vector(self, features: Features) -> tuple[Array, Array]:
        counts = Counter(map(self.vocabulary.get, features))
        counts.pop(None, None)
        index = np.array(sorted(i for i in counts if i is not None), np.intp)
        return self.values(index, np.array([counts[i] for i in index.tolist()])), index

    def values(self, index: Array, counts: Array) -> Array:
        """Sublinear tf x idf of features by their number and how often they occur."""
        return np.asarray((1 + np.log(counts.astype(np.float32))) * self.idf[index])

    def decide(self, vectors: Iterable[tuple[Array, Array]]) -> Array:
        """Decision values [texts, scenarios and statements] of vectors given by their values and the numbers of their features."""
        chosen = list(vectors)
        room = np.empty((max([len(index) for _, index in chosen], default=0), self.weights.shape[1]), self.weights.dtype)  # made once for all texts
        return np.asarray(self.bias + np.array([self._product(*vector, room) for vector in chosen]))

    def _product(self, values: Array, index: Array, room: Array) -> Array:
        """Unit vector times weights; zero where no feature is known."""
        rows = self.weights.take(index, 0, out=room[: len(index)], mode="clip")  # numpy would copy `room` with another mode
        return np.asarray((values @ rows) / math.sqrt(max(float(values @ values), _TINY)))

    def score(self, found: Sequence[Features], hints: Array | float = 0.0) -> list[tuple[Score, ...]]:
        """Calibrated scores of the first six scenarios of each text, best first; over all scenarios they would add up to 1."""
        return self.ranked(self.probabilities(self.decisions(found), hints))

    def probabilities(self, decisions: Array, hints: Array | float = 0.0) -> Array:
        """Calibrated probabilities [texts, scenarios] of decision values, with what `hints` add to their log odds [texts, scenarios]."""
        return softmax(decisions / self.temperature + hints)

    def ranked(self, p: Array) -> list[tuple[Score, ...]]:
        """The best scenarios of each text from probabilities [texts, scenarios]."""
        order = np.argsort(-p, axis=1, kind="stable")[:, :_KEPT]
        sorted_p = np.take_along_axis(p, order, axis=1).tolist()
        return [tuple(map(Score, [self.scenarios[i] for i in row], values)) for row, values in zip(order.tolist(), sorted_p, strict=True)]


def softmax(z: Array) -> Array:
    """Along the second axis."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
