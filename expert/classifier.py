"""Which scenario, and which facts do such words come with? A linear model over TF-IDF, trained with scikit-learn, applied with numpy.

Features: Sudachi normalized forms and their pairs, the meaning group of each word (rules/word_classes.txt), the concepts found, and
the facts with their value (so that `paid=no` is not `paid=yes`). Scores are a softmax over the decision values with a temperature fitted on
held-out examples (Guo et al. 2017). The model file is a plain .npz without pickled objects: it cannot execute code.
scikit-learn is imported only to train: importing it would cost more time than answering.
"""

import contextlib
import hashlib
import math
import multiprocessing
import os
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from expert.domain import Fact, Mention, Score, TokenizedText


@dataclass(frozen=True)
class Settings:
    """Everything that shapes the model; part of its key."""

    format: int = 6
    c: float = 0.5
    facts_c: float = 1.0
    facts_balance: float = 0.5
    alpha: float = 0.05
    min_df: int = 2
    parts: int = 5
    tolerance: float = 1e-3
    review_share: float = 0.1


SETTINGS = Settings()
_KEPT, _TINY = 6, 1e-12
SKIPPED = frozenset("はがをにでとのもへや、。")
"""Words that count only as part of a pair."""
_LIBRARIES = ("scikit-learn", "sudachipy", "sudachidict-core", "numpy")

Features = list[str]
Array = np.ndarray[Any, Any]


def features(text: TokenizedText, mentions: Sequence[Mention], facts: Sequence[Fact], classes: Mapping[str, str]) -> Features:
    """All features of a text, repeated as often as they occur. `classes` gives the meaning group of a word."""
    lemmas = text.lemmas
    out = [lemma for lemma in lemmas if lemma not in SKIPPED]
    out += [classes[lemma] for lemma in out if lemma in classes]
    out += [f"{a}_{b}" for a, b in pairwise(lemmas)]
    out += ["concept:" + m.concept for m in mentions]
    out += [f"fact:{f.id}={f.value}" for f in facts]
    return out


@dataclass(frozen=True)
class Model:
    """Weights [features, scenarios and facts], idf [features], and what training found out about itself.

    The columns of weights and bias are the scenarios, then the facts: above zero where a fact is likely `yes`.
    """

    scenarios: tuple[str, ...]
    facts: tuple[str, ...]
    vocabulary: Mapping[str, int]
    idf: Array
    weights: Array
    bias: Array
    temperature: float
    review_below: float
    priors: Mapping[str, Mapping[str, float]]
    key: str

    def decisions(self, found: Sequence[Features]) -> Array:
        """Decision values [texts, scenarios]: sublinear tf x idf, unit length, times the weights."""
        return self.decide(map(self._vector, found))[:, : len(self.scenarios)]

    def _vector(self, features: Features) -> tuple[Array, Array]:
        counts = Counter(map(self.vocabulary.get, features))
        counts.pop(None, None)
        index = np.array(sorted(i for i in counts if i is not None), np.intp)
        return self.values(index, np.array([counts[i] for i in index.tolist()])), index

    def values(self, index: Array, counts: Array) -> Array:
        """Sublinear tf x idf of features by their number and how often they occur."""
        return np.asarray((1 + np.log(counts.astype(np.float32))) * self.idf[index])

    def decide(self, vectors: Iterable[tuple[Array, Array]]) -> Array:
        """Decision values [texts, scenarios and facts] of vectors given by their values and the numbers of their features."""
        return np.asarray(self.bias + np.array([self._product(*vector) for vector in vectors]))

    def _product(self, values: Array, index: Array) -> Array:
        """Unit vector times weights; zero where no feature is known."""
        return np.asarray((values @ self.weights.take(index, 0)) / math.sqrt(max(float(values @ values), _TINY)))

    def score(self, found: Sequence[Features]) -> list[tuple[Score, ...]]:
        """Calibrated scores of the first six scenarios of each text, best first; over all scenarios they would add up to 1."""
        return self.ranked(self.decisions(found))

    def ranked(self, decisions: Array) -> list[tuple[Score, ...]]:
        """The same from decision values [texts, scenarios]."""
        p = _softmax(decisions / self.temperature)
        order = np.argsort(-p, axis=1, kind="stable")[:, :_KEPT]
        sorted_p = np.take_along_axis(p, order, axis=1).tolist()
        return [tuple(map(Score, [self.scenarios[i] for i in row], values)) for row, values in zip(order.tolist(), sorted_p, strict=True)]


def train(found: Sequence[Features], labels: Sequence[str], facts: Sequence[Mapping[str, str]], key: str) -> Model:
    """Fit on the features, scenarios and facts (yes, no, or unsure: left aside for that fact) of a corpus; takes seconds."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=_identity, sublinear_tf=True, min_df=SETTINGS.min_df, dtype=np.float32)
    matrix = vectorizer.fit_transform(found)
    scenarios, y = np.unique(np.array(labels), return_inverse=True)
    names = tuple(dict.fromkeys(f for stated in facts for f in stated))
    fact_model = _beside(lambda: _fit_facts(matrix, names, facts))
    weights, bias = _fit(matrix, y)
    held_out, truth = _held_out(matrix, y)
    temperature = _fit_temperature(held_out, truth)
    top = _softmax(held_out / temperature).max(axis=1)
    fact_weights, fact_bias = fact_model()
    return Model(
        scenarios=tuple(map(str, scenarios)),
        facts=names,
        vocabulary=vectorizer.vocabulary_,
        idf=vectorizer.idf_.astype(np.float32),
        weights=np.hstack([weights, fact_weights]).astype(np.float32),
        bias=np.concatenate([bias, fact_bias]).astype(np.float32),
        temperature=temperature,
        review_below=float(np.quantile(top, SETTINGS.review_share)),
        priors=_priors(labels, facts),
        key=key,
    )


def _beside(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start work in a forked process; the function returned waits for the outcome.

    Where a fork is not possible or not safe (other threads run), or fails, the work is done when the outcome is asked for.
    """
    if "fork" not in multiprocessing.get_all_start_methods() or threading.active_count() > 1 or sys.platform == "darwin":
        return work
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(work()), daemon=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of native threads too: the child uses none of theirs
            process.start()
    except (OSError, AssertionError):
        return work
    sender.close()

    def outcome() -> Any:
        try:
            return receiver.recv()
        except EOFError:
            return work()
        finally:
            process.join()

    return outcome


def _identity(found: Features) -> Features:
    return found


def _fit(matrix: Any, y: Array) -> tuple[Array, Array]:
    """Weights [features, scenarios] and bias: the mean of a linear support vector machine and multinomial Naive Bayes.

    Both are linear in the features, so their mean is one linear model; they err differently, so it errs less than each.
    All scenarios weigh the same, however many examples they have: how often each is met in life is not what the corpus shows.
    """
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.svm import LinearSVC

    svm = LinearSVC(C=SETTINGS.c, class_weight="balanced", tol=SETTINGS.tolerance, random_state=0).fit(matrix, y)
    bayes = MultinomialNB(alpha=SETTINGS.alpha, fit_prior=False).fit(matrix, y)
    svm_weights, svm_bias = _centred(svm.coef_.T, svm.intercept_, matrix)
    bayes_weights, bayes_bias = _centred(bayes.feature_log_prob_.T, bayes.class_log_prior_, matrix)
    return np.ascontiguousarray(svm_weights + bayes_weights), svm_bias + bayes_bias


def _centred(weights: Array, bias: Array, matrix: Any) -> tuple[Array, Array]:
    """The same decisions, with mean 0 over the scenarios and standard deviation 1 over the corpus."""
    weights, bias = weights - weights.mean(axis=1, keepdims=True), bias - bias.mean()
    spread = float(np.std(matrix @ weights + bias))
    return weights / spread, bias / spread


def _held_out(matrix: Any, y: Array) -> tuple[Array, Array]:
    """Decision values and labels of a part of the examples (stratified), from a model that has not seen them."""
    from sklearn.model_selection import StratifiedKFold

    fit, hold = next(StratifiedKFold(SETTINGS.parts, shuffle=True, random_state=0).split(matrix, y))
    weights, bias = _fit(matrix[fit], y[fit])
    return matrix[hold] @ weights + bias, y[hold]


def _fit_facts(matrix: Any, names: Sequence[str], facts: Sequence[Mapping[str, str]]) -> tuple[Array, Array]:
    """Weights [features, facts] and bias: for each fact a linear support vector machine that tells `yes` from everything else."""
    from sklearn.svm import LinearSVC

    def fit(name: str) -> tuple[Array, float]:
        sure = np.array([stated.get(name) != "unsure" for stated in facts])
        yes = np.array([stated.get(name) == "yes" for stated in facts])[sure]
        if yes.all() or not yes.any():
            return np.zeros(matrix.shape[1]), -1.0
        weight = (np.count_nonzero(~yes) / np.count_nonzero(yes)) ** SETTINGS.facts_balance
        model = LinearSVC(C=SETTINGS.facts_c, class_weight={True: weight, False: 1.0}, tol=SETTINGS.tolerance, random_state=0).fit(matrix[sure], yes)
        return model.coef_[0], float(model.intercept_[0])

    fitted = list(map(fit, names))  # not in threads: liblinear has one random generator for all of them
    return np.array([w for w, _ in fitted]).reshape(-1, matrix.shape[1]).T, np.array([b for _, b in fitted])


def _fit_temperature(decisions: Array, y: Array) -> float:
    """The temperature with the least log loss."""

    def loss(t: float) -> float:
        z = decisions / t
        z = z - z.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]))

    return min(map(float, np.geomspace(0.02, 2, 200)), key=loss)


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _priors(labels: Sequence[str], facts: Sequence[Mapping[str, str]]) -> dict[str, dict[str, float]]:
    """Share of the examples of a scenario that state a fact: how likely a question about it is to matter."""
    seen: dict[str, Counter[str]] = {}
    for label, stated in zip(labels, facts, strict=True):
        seen.setdefault(label, Counter()).update(f for f, value in stated.items() if value == "yes")
    total = Counter(labels)
    return {label: {f: n / total[label] for f, n in counts.items()} for label, counts in seen.items()}


# ---- the cache ------------------------------------------------------------------------------------------------------


def cache_key(*parts: str) -> str:
    """Key of a model: corpus, knowledge, settings and library versions."""
    libraries = [f"{name}={version(name)}" for name in _LIBRARIES]
    return hashlib.sha256("\n".join([*parts, repr(SETTINGS), *libraries]).encode()).hexdigest()[:16]


def cache_directory() -> Path:
    """The user's cache; KAKEKOMI_CACHE overrides."""
    return Path(os.environ.get("KAKEKOMI_CACHE") or platformdirs.user_cache_dir("kakekomi"))


def cached(key: str, make: Callable[[], Model]) -> Model:
    """The model of this key from the cache, else made anew and kept. A cache that is missing, damaged or not writable costs time only."""
    file = cache_directory() / f"model-{key}.npz"
    model = _read(file, key)
    if model is None:
        model = make()
        with contextlib.suppress(OSError):
            _write(file, model)
    return model


def _read(file: Path, key: str) -> Model | None:
    try:
        with np.load(file, allow_pickle=False) as data:
            return _unpack(data, key)
    except Exception:  # whatever a damaged file raises (zip, numpy, unicode, key errors): the model is made anew
        return None


def _unpack(data: Mapping[str, Array], key: str) -> Model | None:
    names = bytes(data["vocabulary"]).decode("utf-8").split("\0")
    weights = data["weights"].astype(np.float32)
    digest = hashlib.sha256(bytes(data["vocabulary"]) + data["weights"].tobytes()).hexdigest()
    if str(data["key"]) != key or str(data["digest"]) != digest or len(names) != len(weights):
        return None
    priors: dict[str, dict[str, float]] = {}
    for name, value in zip(data["prior_names"], data["prior_values"], strict=True):
        scenario, fact = str(name).split("/")
        priors.setdefault(scenario, {})[fact] = float(value)
    return Model(
        scenarios=tuple(map(str, data["scenarios"])),
        facts=tuple(map(str, data["facts"])),
        vocabulary={name: i for i, name in enumerate(names)},
        idf=data["idf"],
        weights=weights,
        bias=data["bias"],
        temperature=float(data["temperature"]),
        review_below=float(data["review_below"]),
        priors=priors,
        key=key,
    )


def _write(file: Path, model: Model) -> None:
    """Written beside its name first: a reader never sees half a file."""
    names = [name for name, _ in sorted(model.vocabulary.items(), key=lambda item: item[1])]
    vocabulary = np.frombuffer("\0".join(names).encode("utf-8", "surrogatepass"), np.uint8)
    priors = {f"{s}/{f}": p for s, by_fact in model.priors.items() for f, p in by_fact.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(
                stream,
                key=model.key,
                digest=hashlib.sha256(vocabulary.tobytes() + model.weights.tobytes()).hexdigest(),
                scenarios=np.array(model.scenarios),
                facts=np.array(model.facts),
                vocabulary=vocabulary,
                idf=model.idf,
                weights=model.weights,
                bias=model.bias,
                temperature=model.temperature,
                review_below=model.review_below,
                prior_names=np.array(list(priors)),
                prior_values=np.array(list(priors.values())),
            )
        os.replace(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
