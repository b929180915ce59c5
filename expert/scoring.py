"""`classifier.features` and `Model.decisions` for many texts at once, without a string for each feature.

What the strings say is looked up by number: a word in one dictionary, a pair of words in one hash table, all texts together.
It took half of the time of an answer otherwise. A test holds both roads to the same scores.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, repeat

import numpy as np

from expert.classifier import SKIPPED, Array, Model
from expert.domain import Fact, Mention, Statement, TokenizedText

Row = tuple[TokenizedText, Sequence[Mention], Sequence[Fact]]

_MARKED = ("concept:", "fact:", "class:")
_BREAKS = frozenset("。、!?「」『』()")
_NONE = -1
_SHORT = 2**31
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""Multiplied with a key, its upper bits are well mixed (Fibonacci hashing, Knuth 6.4)."""


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
        self._pair_table = _Table(keys, np.array([vocabulary[name] for name, _, _ in pairs], np.int64))
        self._word_features = np.full(self._base, _NONE)
        self._class_features = np.full(self._base, _NONE)
        gains = model.weights[:, len(model.scenarios) :].T * model.idf
        self._gains = dict(zip(model.statements, np.hstack([gains, np.zeros((len(gains), 1))]), strict=True))  # feature -1 gains nothing
        for word, i in self._words.items():
            if word not in SKIPPED:
                self._word_features[i] = vocabulary.get(word, _NONE)
                self._class_features[i] = vocabulary.get(classes.get(word, ""), _NONE)

    def read(self, rows: Sequence[Row]) -> "Reading":
        """The values of all texts, as `Model.decisions` gives them for the features of each row (scenarios, then statements)."""
        texts = np.arange(len(rows))
        owner = np.repeat(texts, [len(tokens.lemmas) for tokens, _, _ in rows])
        known = self._words.get
        words = np.fromiter(chain.from_iterable([map(known, tokens.lemmas, repeat(0)) for tokens, _, _ in rows]), np.int64, len(owner))
        pairs = np.where(owner[:-1] == owner[1:], self._pair_table.look_up(words[:-1] * self._base + words[1:]), _NONE)
        kinds = _Kinds(self._word_features[words], self._class_features[words], pairs)
        marks = [self._marks(mentions, facts) for _, mentions, facts in rows]
        owners, features, counts = self._count(len(rows), owner, kinds, marks)
        weights = self._model.values(features, counts)
        ends = np.searchsorted(owners, np.arange(len(rows) + 1)).tolist()
        values = self._model.decide((weights[a:b], features[a:b]) for a, b in pairwise(ends))
        return Reading(values, np.searchsorted(owner, np.arange(len(rows) + 1)), kinds, self._gains)

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

    def _count(self, texts: int, owner: Array, kinds: "_Kinds", marks: Sequence[Sequence[int]]) -> tuple[Array, Array, Array]:
        """Text, feature and how often the text has it, in the order of texts and features."""
        marked = np.fromiter(chain.from_iterable(marks), np.int64)
        features = np.concatenate([kinds.words, kinds.classes, kinds.pairs, marked])
        owners = np.concatenate([owner, owner, owner[:-1], np.repeat(np.arange(texts), list(map(len, marks)))])
        kept = features != _NONE
        size = len(self._model.idf)
        keys = owners[kept] * size + features[kept]
        if texts * size < _SHORT:
            keys = keys.astype(np.int32)  # sorted in half of the time
        keys, counts = np.unique(keys, return_counts=True)
        return keys // size, keys % size, counts

    def _marks(self, mentions: Sequence[Mention], facts: Sequence[Fact]) -> list[int]:
        concepts = [i for m in mentions if (i := self._concepts.get(m.concept)) is not None]
        return [*concepts, *(i for f in facts if (i := self._facts.get((f.id, f.value))) is not None)]


class _Table:
    """Numbers by 64-bit keys: a hash table with open addressing, looked up for many keys at once: quicker than binary search."""

    def __init__(self, keys: Array, values: Array) -> None:
        self._shift = np.uint64(64 - max(1, 2 * len(keys) - 1).bit_length())  # at most half full
        size = 1 << (64 - int(self._shift))
        self._keys, self._values = np.full(size, _NONE, np.int64), np.full(size, _NONE, np.int64)
        at = self._place(keys)
        while len(at):
            free = self._keys[at] == _NONE
            self._keys[at[free]] = keys[free]
            won = self._keys[at] == keys  # of several keys that want one place the last got it
            self._values[at[won]] = values[won]
            keys, values, at = keys[~won], values[~won], (at[~won] + 1) & (size - 1)

    def look_up(self, keys: Array) -> Array:
        """The value of each key; -1 where there is none."""
        at = self._place(keys)
        met = self._keys[at]
        found = np.where(met == keys, self._values[at], _NONE)
        searching = np.flatnonzero((met != keys) & (met != _NONE))
        at = at[searching]
        while len(searching):
            at = at + 1 & (len(self._keys) - 1)
            met = self._keys[at]
            hit = met == keys[searching]
            found[searching[hit]] = self._values[at[hit]]
            on = ~hit & (met != _NONE)
            at, searching = at[on], searching[on]
        return found

    def _place(self, keys: Array) -> Array:
        return (keys.astype(np.uint64) * _GOLDEN >> self._shift).astype(np.int64)


@dataclass(frozen=True)
class _Kinds:
    """Features by token (pairs: by token and its right neighbour); -1 where the model knows none."""

    words: Array
    classes: Array
    pairs: Array


@dataclass(frozen=True)
class Reading:
    """What the model says of some texts: `values` [texts, scenarios and statements], and where in a text it finds a statement."""

    values: Array
    starts: Array
    kinds: _Kinds
    gains: Mapping[Statement, Array]

    def clauses(self, text: int, tokens: TokenizedText, statements: Sequence[Statement]) -> list[tuple[int, int]]:
        """For each statement the clause (a span of the normal text) whose words speak most for it."""
        first, last = self.starts[text], self.starts[text + 1]
        words, classes, pairs = self.kinds.words[first:last], self.kinds.classes[first:last], self.kinds.pairs[first : last - 1]
        breaks = [i for i, lemma in enumerate(tokens.lemmas) if lemma in _BREAKS]
        bounds = [(a + 1, b) for a, b in pairwise([-1, *breaks, len(words)]) if a + 1 < b] or [(0, len(words))]
        starts = [a for a, _ in bounds]
        out = []
        for gains in map(self.gains.__getitem__, statements):
            shares = gains[words] + gains[classes]
            half = gains[pairs] / 2
            shares[:-1] += half
            shares[1:] += half
            begin, end = bounds[int(np.add.reduceat(shares, starts).argmax())]
            out.append((tokens.place(begin)[0], tokens.place(end - 1)[1]))
        return out
