"""How often each text has each feature: a sparse matrix, made from texts that are read in two processes."""

import importlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from expert import trigrams
from expert.classifier import Array, Features
from expert.errors import EvaluationError


@dataclass(frozen=True)
class Counts:
    """How often each text has each feature [texts, features]: first the features with a name, then those of three characters by their keys."""

    names: Sequence[str]
    trigrams: Array
    matrix: Any


def count(found: Iterable[tuple[Features, str]]) -> Counts:
    """Features of texts, and characters of which three in a row are features too -> a sparse matrix.

    It takes them one by one, so that they need not all be in memory. As scikit-learn's CountVectorizer does, but quicker.
    Raises EvaluationError where there is nothing to count.
    """
    from scipy.sparse import hstack

    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__  # a new feature gets the next number
    numbers, ends, texts = array("i"), [0], list[str]()
    for features, characters in found:
        numbers.extend(map(vocabulary.__getitem__, features))
        ends.append(len(numbers))
        texts.append(characters)
    owner, keys = trigrams.keys(texts)
    owner, keys = owner[keys != trigrams.NONE], keys[keys != trigrams.NONE]
    if not vocabulary and not len(keys):
        raise EvaluationError("学習する例がありません。corpus/train/(KAKEKOMI_CORPUS で変えられます)に例を置いてください。")
    unique, columns = trigrams.numbered(keys)
    named = counted(np.array(numbers, np.intc), np.array(ends), len(vocabulary))
    ends_of_keys = np.searchsorted(owner, np.arange(len(texts) + 1))
    unnamed = counted(columns, ends_of_keys, len(unique))
    return Counts(list(vocabulary), unique, hstack([named, unnamed], format="csr"))


def counted(columns: Array, ends: Array, width: int) -> Any:
    """A sparse matrix [rows, width] of how often each column occurs in a row: its columns stand between two of the `ends`."""
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((np.ones(len(columns), np.float32), columns, ends), (len(ends) - 1, width))
    matrix.sum_duplicates()
    return matrix


def joined(first: Counts, rest: Callable[[], Counts]) -> Counts:
    """The texts of both, under one numbering. scikit-learn is loaded before the rest is waited for."""
    from scipy.sparse import csr_matrix, vstack

    for module in ("feature_extraction.text", "svm", "naive_bayes", "model_selection"):
        importlib.import_module(f"sklearn.{module}")
    second = rest()
    names = {name: i for i, name in enumerate(dict.fromkeys([*first.names, *second.names]))}
    keys = np.sort(np.concatenate([first.trigrams, second.trigrams]), kind="stable")  # quick, since both are in order
    keys = keys[np.diff(keys, prepend=trigrams.NONE) > 0]

    def renumbered(part: Counts) -> Any:
        numbers = np.concatenate([[names[name] for name in part.names], len(names) + np.searchsorted(keys, part.trigrams)]).astype(np.intc)
        m = part.matrix
        return csr_matrix((m.data, numbers[m.indices], m.indptr), (m.shape[0], len(names) + len(keys)))

    return Counts(list(names), keys, vstack([renumbered(first), renumbered(second)], format="csr"))
