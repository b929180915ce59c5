"""Labelled features -> `Model`, with scikit-learn, which only training imports: it would cost more time than answering.

Scores are a softmax over the decision values with a temperature fitted on held-out examples (Guo et al. 2017).
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np

from expert import alarm, trigrams
from expert.alarm import Alarm
from expert.classifier import Array, Model, softmax
from expert.counting import Counts
from expert.domain import OUT_OF_SCOPE, OUT_OF_SCOPE_COSTS, Statement
from expert.errors import EvaluationError
from expert.parallel import beside


@dataclass(frozen=True)
class Settings:
    """Everything that shapes the model; part of its key."""

    c: float = 0.6
    facts_c: float = 1.0
    facts_balance: float = 0.5
    alpha: float = 0.01
    fewest_no: int = 150
    far: float = 0.01
    one_of_far: int = 3
    min_df: int = 3
    parts: int = 3
    passes: int = 3
    intercept_scaling: float = 0.3
    tolerance: float = 0.1
    review_share: float = 0.1
    out_of_scope_costs: float = OUT_OF_SCOPE_COSTS
    alarm_scale: float = 0.15
    alarm_min_df: int = 2
    alarm_passes: int = 10
    alarm_tolerance: float = 0.01
    """To the end, unlike the others: after a few passes, which sentences alarm still changes with the last of them, and this is quick."""
    alarm_weights: tuple[float, float, float] = (3.0, 2.0, 1.0)
    """Of a sentence with danger, of one without that was written for it, and of one from a story without danger."""


SETTINGS = Settings()
_FEWEST_TO_BE_FAR = 100
_FEWEST_SCENARIOS = 3
"""With two, a support vector machine has one column in place of one for each."""


def train(counts: Counts, labels: Sequence[str], facts: Sequence[Mapping[str, str]], writers: Sequence[str], key: str) -> Model:
    """Fit on the features, scenarios and facts (yes, no, or unsure: left aside for that fact) of a corpus; takes seconds.

    Examples beyond the `labels` teach facts alone. `writers` says who wrote each: calibration is fitted on writers that the model has not read.
    """
    labelled = len(labels)
    scenarios, y = np.unique(np.array(labels), return_inverse=True)
    if len(scenarios) < _FEWEST_SCENARIOS or labelled < SETTINGS.parts:
        raise EvaluationError(
            f"学習には、場面の違う例が{_FEWEST_SCENARIOS}件以上いります。corpus/train/(KAKEKOMI_CORPUS で変えられます)に例を足してください。"
        )
    vocabulary, every, idf = _weighted(counts)
    matrix, stories = every[:labelled], np.full(len(facts) - labelled, len(scenarios))
    groups = np.concatenate([y, stories])
    statements = _statements(facts)
    most = len(statements) * 3 // 4  # then both processes take about equally long
    other = beside(
        lambda: (_calibration(matrix, y, writers[:labelled], scenarios == OUT_OF_SCOPE), _fit_facts(every, groups, statements[:most], facts))
    )
    weights, bias = _fit(matrix, y)
    last_weights, last_bias = _fit_facts(every, groups, statements[most:], facts)
    (temperature, review_below), (first_weights, first_bias) = other()
    return Model(
        scenarios=tuple(map(str, scenarios)),
        statements=statements,
        vocabulary=vocabulary,
        idf=idf,
        weights=np.hstack([weights, first_weights, last_weights]).astype(np.float32),
        bias=np.concatenate([bias, first_bias, last_bias]).astype(np.float32),
        temperature=temperature,
        review_below=review_below,
        priors=_priors(labels, facts[:labelled]),
        key=key,
    )


def fit_alarm(sentences: Sequence[tuple[str, bool]], cries: Sequence[str], stories: Iterable[str]) -> Alarm | None:
    """From sentences (folded) with danger and without, stories with it, and stories without; None without sentences.

    Every sentence of a story without danger is without. Of one with danger, it is not known which speaks of it: the one that alarms a machine
    most that has learnt from the sentences alone is taken (multiple-instance learning: Andrews et al. 2003).

    Raises EvaluationError for sentences of one side only.
    """
    from scipy.sparse import csr_matrix

    if not sentences:
        return None
    if len({danger for _, danger in sentences}) == 1:
        raise EvaluationError("命の危険の文(corpus/train/danger*.tsv)には、yes の文と no の文の両方がいります。足りないほうを足してください。")
    of_cries, ordinary = ([[story[a:b] for a, b in alarm.sentences(story)] for story in map(alarm.masked, told)] for told in (cries, stories))
    texts = [*(alarm.masked(sentence) for sentence, _ in sentences), *chain.from_iterable([*of_cries, *ordinary])]
    owner, places = alarm.features(texts)
    weighed = csr_matrix((np.ones(len(owner)), (owner, places)), (len(texts), 2**alarm.PLACES))
    found_in = np.bincount(weighed.indices, minlength=weighed.shape[1])
    scale = SETTINGS.alarm_scale * (np.log((1 + len(texts)) / (1 + found_in)) + 1) * (found_in >= SETTINGS.alarm_min_df)
    weighed.data *= np.repeat(alarm.weighed(owner, len(texts)), np.diff(weighed.indptr)) * scale[weighed.indices]
    weighed.eliminate_zeros()

    yes, no, other = SETTINGS.alarm_weights
    ends = (len(sentences) + np.cumsum([0, *map(len, of_cries)])).tolist()
    said = np.arange(len(texts)) < ends[-1]
    said[: ends[0]] = [danger for _, danger in sentences]
    weights = np.where(said, yes, np.where(np.arange(len(texts)) < ends[0], no, other))

    def fit(rows: Array) -> tuple[Array, float]:
        options = {"C": 1.0, "max_iter": SETTINGS.alarm_passes, "tol": SETTINGS.alarm_tolerance}
        model = _support_vectors(weighed[rows], said[rows], options, weights[rows])
        return model.coef_[0], float(model.intercept_[0])

    first, _ = fit(np.arange(ends[0]))
    values = weighed[ends[0] : ends[-1]] @ first
    loudest = [begin + int(values[begin - ends[0] : end - ends[0]].argmax()) for begin, end in pairwise(ends)]
    gains, bias = fit(np.concatenate([np.arange(ends[0]), np.array(loudest, int), np.arange(ends[-1], len(texts))]))
    return Alarm((gains * scale).astype(np.float32), bias)


def _weighted(counts: Counts) -> tuple[dict[str, int], Any, Array]:
    """Features in enough texts; their sublinear tf x idf [texts, features] of unit length; their idf.

    Those of most texts come first, so that they are near one another in memory: all work with the weights is quicker.
    """
    from sklearn.feature_extraction.text import TfidfTransformer

    found_in = np.bincount(counts.matrix.indices, minlength=counts.matrix.shape[1])
    enough = np.flatnonzero(found_in >= SETTINGS.min_df)
    named = len(counts.names)
    columns = {counts.names[i]: i for i in enough[enough < named]}
    unnamed = enough[enough >= named]
    columns |= zip(trigrams.names(counts.trigrams[unnamed - named]), unnamed, strict=True)
    by_name = sorted(columns)
    names = [by_name[i] for i in np.argsort(-found_in[[columns[name] for name in by_name]], kind="stable").tolist()]
    kept = counts.matrix[:, [columns[name] for name in names]]
    kept.sort_indices()
    transformer = TfidfTransformer(sublinear_tf=True)
    matrix = transformer.fit_transform(kept).astype(np.float64)  # liblinear would convert it again for every fit
    return {name: i for i, name in enumerate(names)}, matrix, transformer.idf_.astype(np.float32)


def _fit(matrix: Any, y: Array) -> tuple[Array, Array]:
    """Weights [features, scenarios] and bias: the mean of a linear support vector machine and multinomial Naive Bayes.

    Both are linear in the features, so their mean is one linear model; they err differently, so it errs less than each.
    All scenarios weigh the same, however many examples they have: how often each is met in life is not what the corpus shows.
    """
    from sklearn.naive_bayes import MultinomialNB

    svm = _support_vectors(matrix, y, {"C": SETTINGS.c, "class_weight": "balanced"})
    bayes = MultinomialNB(alpha=SETTINGS.alpha, fit_prior=False).fit(matrix, y)
    svm_weights, svm_bias = _centred(np.ascontiguousarray(svm.coef_.T), svm.intercept_, matrix)
    bayes_weights, bayes_bias = _centred(np.ascontiguousarray(bayes.feature_log_prob_.T), bayes.class_log_prior_, matrix)
    return svm_weights + bayes_weights, svm_bias + bayes_bias


def _support_vectors(matrix: Any, y: Array, options: Mapping[str, Any], weights: Array | None = None) -> Any:
    """A linear support vector machine; a few passes over the examples do: held out by writer, more of them gain nothing.

    The intercept is met in every example, so that after a few passes it still goes up and down with the last of them; as a smaller
    feature it takes smaller steps. With the usual scale, another order of the same examples gave other scenarios and facts.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    common = {"tol": SETTINGS.tolerance, "max_iter": SETTINGS.passes, "intercept_scaling": SETTINGS.intercept_scaling, "random_state": 0}
    model = LinearSVC(**{**common, **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(matrix, y, sample_weight=weights)


def _centred(weights: Array, bias: Array, matrix: Any) -> tuple[Array, Array]:
    """The same decisions, with mean 0 over the scenarios and standard deviation 1 over (every fifth text of) the corpus."""
    weights, bias = weights - weights.mean(axis=1, keepdims=True), bias - bias.mean()
    spread = float(np.std(matrix[::5] @ weights + bias))
    return weights / spread, bias / spread


def _calibration(matrix: Any, y: Array, writers: Sequence[str], not_ours: Array) -> tuple[float, float]:
    """The temperature, and the lead (`domain.lead`) that the least sure share of the examples falls short of.

    `not_ours`: which scenarios say that nothing here is ours [scenarios].
    """
    held_out, truth = _held_out(matrix, y, writers)
    temperature = _fit_temperature(held_out, truth)
    second, first = np.sort(softmax(held_out / temperature), axis=1)[:, -2:].T
    leads = first - second - SETTINGS.out_of_scope_costs * not_ours[held_out.argmax(axis=1)]
    return temperature, float(np.quantile(leads, SETTINGS.review_share))


def _held_out(matrix: Any, y: Array, writers: Sequence[str]) -> tuple[Array, Array]:
    """Decision values and labels of the examples of most writers, from a model that has read the others.

    Where those do not cover all scenarios, it has read part of the examples of each scenario instead.
    """
    from sklearn.model_selection import GroupKFold, StratifiedKFold

    by_writer = GroupKFold(SETTINGS.parts).split(matrix, y, list(writers)) if len(set(writers)) >= SETTINGS.parts else ()
    covered = ((fit, hold) for hold, fit in by_writer if len(np.unique(y[fit])) == len(np.unique(y)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of scenarios with very few examples
        fit, hold = next(covered, None) or next(StratifiedKFold(SETTINGS.parts, shuffle=True, random_state=0).split(matrix, y))
    unread = sorted(set(range(len(np.unique(y)))).difference(y[fit]))
    fit = np.concatenate([fit, [np.flatnonzero(y == scenario)[0] for scenario in unread]]).astype(int)  # one of each scenario has to be read
    weights, bias = _fit(matrix[fit], y[fit])
    hold = hold[::2]  # enough for a temperature and a quantile
    return matrix[hold] @ weights + bias, y[hold]


def _statements(facts: Sequence[Mapping[str, str]]) -> tuple[Statement, ...]:
    """Every fact as yes, and as no where enough examples deny it."""
    names = tuple(dict.fromkeys(f for stated in facts for f in stated))
    denied = Counter(f for stated in facts for f, value in stated.items() if value == "no")
    return (*((f, "yes") for f in names), *((f, "no") for f in names if denied[f] >= SETTINGS.fewest_no))


def _fit_facts(matrix: Any, y: Array, statements: Sequence[Statement], facts: Sequence[Mapping[str, str]]) -> tuple[Array, Array]:
    """Weights [features, statements] and bias: for each statement a linear support vector machine that tells it from everything else."""
    of_scenario = np.bincount(y)

    def fit(name: str, value: str) -> tuple[Array, float]:
        values = np.array([stated.get(name, "") for stated in facts])
        said, sure = values == value, values != "unsure"
        if not said.any() or said[sure].all():
            return np.zeros(matrix.shape[1]), -1.0
        weight = (np.count_nonzero(sure & ~said) / np.count_nonzero(said)) ** SETTINGS.facts_balance
        far = ~said & _far(said, y, of_scenario)
        kept = ~far | (np.arange(len(y)) % SETTINGS.one_of_far == 0)
        counted = sure * np.where(far, SETTINGS.one_of_far, 1.0)
        options = {"C": SETTINGS.facts_c, "class_weight": {True: weight, False: 1.0}}
        model = _support_vectors(matrix[kept], said[kept], options, counted[kept])
        return model.coef_[0], float(model.intercept_[0])

    fitted = [fit(*statement) for statement in statements]  # not in threads: liblinear has one random generator for all of them
    return np.array([w for w, _ in fitted]).reshape(-1, matrix.shape[1]).T, np.array([b for _, b in fitted])


def _far(said: Array, y: Array, of_scenario: Array) -> Array:
    """The texts of scenarios in which hardly anybody makes a statement: a third of them, counted threefold, teaches it nearly as well."""
    share = np.bincount(y, said) / of_scenario
    return np.asarray((share < SETTINGS.far) & (of_scenario >= _FEWEST_TO_BE_FAR))[y]


def _fit_temperature(decisions: Array, y: Array) -> float:
    """The temperature with the least log loss, which is convex in its inverse."""
    from scipy.optimize import minimize_scalar

    def loss(inverse: float) -> float:
        z = decisions * inverse
        z = z - z.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]))

    return float(1 / minimize_scalar(loss, bounds=(0.5, 50), method="bounded").x)


def _priors(labels: Sequence[str], facts: Sequence[Mapping[str, str]]) -> dict[str, dict[str, float]]:
    """Share of the examples of a scenario that say yes to a fact."""
    seen: dict[str, Counter[str]] = {}
    for label, stated in zip(labels, facts, strict=True):
        seen.setdefault(label, Counter()).update(f for f, value in stated.items() if value == "yes")
    total = Counter(labels)
    return {label: {f: n / total[label] for f, n in counts.items()} for label, counts in seen.items()}
