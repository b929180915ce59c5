"""`classifier.features` and `Model.score` for many texts at once, without a string for each feature.

What the strings say is looked up by number: a word in one dictionary, a pair of words in one sorted array, all texts together.
It took half of the time of an answer otherwise. A test holds both roads to the same scores.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise, repeat
from typing import Any

import numpy as np

from expert.classifier import SKIPPED, Model
from expert.domain import Fact, Mention, Score, TokenizedText

Row = tuple[TokenizedText, Sequence[Mention], Sequence[Fact]]
Array = np.ndarray[Any, Any]

_MARKED = ("concept:", "fact:", "class:")
_NONE = -1
_SHORT = 2**31


class Scorer:
    """A model with its vocabulary as tables. Values in, values out; safe for several threads."""

    def __init__(self, model: Model, classes: Mapping[str, str]) -> None:
        vocabulary = model.vocabulary
        self._model = model
        self._concepts = {name.removeprefix("concept:"): i for name, i in vocabulary.items() if name.startswith("concept:")}
        self._facts = {tuple(name.removeprefix("fact:").split("=")): i for name, i in vocabulary.items() if name.startswith("fact:")}
        names = [name for name in vocabulary if not name.startswith(_MARKED)]
        self._words = {name: i for i, name in enumerate(dict.fromkeys([*(n for n in names if "_" not in n), *classes, *SKIPPED]), start=1)}
        pairs = self._pairs(names)
        self._base = len(self._words) + 1  # 0 is the word that the model has not seen
        keys = np.array([self._words[a] * self._base + self._words[b] for _, a, b in pairs], np.int64)
        order = np.argsort(keys)
        self._pair_keys = keys[order]
        self._pair_features = np.array([vocabulary[name] for name, _, _ in pairs], np.int64)[order]
        self._word_features = np.full(self._base, _NONE)
        self._class_features = np.full(self._base, _NONE)
        for word, i in self._words.items():
            if word not in SKIPPED:
                self._word_features[i] = vocabulary.get(word, _NONE)
                self._class_features[i] = vocabulary.get(classes.get(word, ""), _NONE)

    def score(self, rows: Sequence[Row]) -> list[tuple[Score, ...]]:
        """As `Model.score` of the features of each row."""
        return self._model.ranked(self.decisions(rows))

    def decisions(self, rows: Sequence[Row]) -> Array:
        """As `Model.decisions`: values [texts, scenarios]."""
        owners, features, counts = self._count(rows)
        values = self._model.values(features, counts)
        ends = np.searchsorted(owners, np.arange(len(rows) + 1)).tolist()
        return self._model.decide((values[a:b], features[a:b]) for a, b in pairwise(ends))

    def _pairs(self, names: Iterable[str]) -> list[tuple[str, str, str]]:
        """Name, first and second word of each feature that is a pair. A name that no two known words make up is a word."""
        out = []
        for name in sorted((n for n in names if "_" in n), key=len):
            found = [(name, name[:i], name[i + 1 :]) for i, char in enumerate(name) if char == "_"]
            known = [(name, a, b) for name, a, b in found if a in self._words and b in self._words]
            out += known
            if not known:
                self._words[name] = len(self._words) + 1
        return out

    def _count(self, rows: Sequence[Row]) -> tuple[Array, Array, Array]:
        """Row, feature and how often the row has it, in the order of rows and features."""
        texts = np.arange(len(rows))
        owner = np.repeat(texts, [len(tokens.lemmas) for tokens, _, _ in rows])
        known = self._words.get
        words = np.fromiter(chain.from_iterable([map(known, tokens.lemmas, repeat(0)) for tokens, _, _ in rows]), np.int64, len(owner))
        first, pairs = self._find_pairs(words, owner)
        marks = [self._marks(mentions, facts) for _, mentions, facts in rows]
        marked = np.fromiter(chain.from_iterable(marks), np.int64)
        features = np.concatenate([self._word_features[words], self._class_features[words], pairs, marked])
        owners = np.concatenate([owner, owner, owner[first], np.repeat(texts, list(map(len, marks)))])
        kept = features != _NONE
        size = len(self._model.idf)
        keys = owners[kept] * size + features[kept]
        if len(rows) * size < _SHORT:
            keys = keys.astype(np.int32)  # sorted in half of the time
        keys, counts = np.unique(keys, return_counts=True)
        return keys // size, keys % size, counts

    def _find_pairs(self, words: Array, owner: Array) -> tuple[Array, Array]:
        """Places of the first words of known pairs, and their features."""
        keys = words[:-1] * self._base + words[1:]
        at = np.searchsorted(self._pair_keys, keys)
        at[at == len(self._pair_keys)] = 0
        (found,) = np.nonzero((self._pair_keys[at] == keys) & (owner[:-1] == owner[1:]))
        return found, self._pair_features[at[found]]

    def _marks(self, mentions: Sequence[Mention], facts: Sequence[Fact]) -> list[int]:
        concepts = [i for m in mentions if (i := self._concepts.get(m.concept)) is not None]
        return [*concepts, *(i for f in facts if (i := self._facts.get((f.id, f.value))) is not None)]
