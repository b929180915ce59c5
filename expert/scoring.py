"""`classifier.features` and `Model.decisions` for many texts at once, without a string for each feature.

What the strings say is looked up by number: a word in one dictionary, three characters in one hash table, all texts together.
It took half of the time of an answer otherwise. A test holds both roads to the same scores.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise, repeat

import numpy as np

from expert import trigrams
from expert.classifier import SKIPPED, Array, Model
from expert.domain import Statement, TokenizedText
from expert.numerals import NUMERAL
from expert.trigrams import owners

_MARKED = ("number:", trigrams.PREFIX)
_CLAUSE = re.compile(r"[^\s。、!?「」『』()](?:[^。、!?「」『』()\n]*[^\s。、!?「」『』()])?")
_NONE = trigrams.NONE
_SHORT = 2**31


class Scorer:
    """A model with its vocabulary as tables. Values in, values out; safe for several threads."""

    def __init__(self, model: Model) -> None:
        vocabulary = model.vocabulary
        self._model = model
        self._numbers = {name.removeprefix("number:"): i for name, i in vocabulary.items() if name.startswith("number:")}
        self._words = {sys.intern(name): i for name, i in vocabulary.items() if not name.startswith(_MARKED) and name not in SKIPPED}
        triples = [name for name in vocabulary if name.startswith(trigrams.PREFIX)]
        self._trigrams = trigrams.Table(trigrams.key_of(triples), np.array([vocabulary[name] for name in triples], np.int64))

    @cached_property
    def _gains(self) -> dict[Statement, Array]:
        """What each feature adds to each statement; feature -1 adds nothing."""
        gains = self._model.weights[:, len(self._model.scenarios) :].T * self._model.idf
        return dict(zip(self._model.statements, np.hstack([gains, np.zeros((len(gains), 1), np.float32)]), strict=True))

    def read(self, texts: Sequence[TokenizedText]) -> "Reading":
        """The values of all texts, as `Model.decisions` gives them for the features of each (scenarios, then statements)."""
        owner = owners([len(text.lemmas) for text in texts])
        known = self._words.get
        words = np.fromiter(chain.from_iterable([map(known, text.lemmas, repeat(_NONE)) for text in texts]), np.int64, len(owner))
        character_owner, keys = trigrams.keys([text.normal for text in texts])
        kinds = _Kinds(words, self._trigrams.look_up(keys))
        owned, features, counts = self._count(owner, character_owner, kinds, list(map(self._numerals, texts)))
        weights = self._model.values(features, counts)
        ends = np.searchsorted(owned, np.arange(len(texts) + 1)).tolist()
        values = self._model.decide((weights[a:b], features[a:b]) for a, b in pairwise(ends))
        starts = np.searchsorted(owner, np.arange(len(texts) + 1)), np.searchsorted(character_owner, np.arange(len(texts) + 1))
        return Reading(values, *starts, kinds, lambda: self._gains)

    def _count(self, owner: Array, character_owner: Array, kinds: "_Kinds", numerals: Sequence[Sequence[int]]) -> tuple[Array, Array, Array]:
        """Text, feature and how often the text has it, in the order of texts and features."""
        of_numerals = np.fromiter(chain.from_iterable(numerals), np.int64)
        features = np.concatenate([kinds.words, kinds.trigrams, of_numerals])
        texts = np.concatenate([owner, character_owner, owners(list(map(len, numerals)))])
        kept = features != _NONE
        size = len(self._model.idf)
        keys = texts[kept] * size + features[kept]
        if len(numerals) * size < _SHORT:
            keys = keys.astype(np.int32)  # sorted in half of the time
        keys, counts = np.unique(keys, return_counts=True)
        return keys // size, keys % size, counts

    def _numerals(self, text: TokenizedText) -> list[int]:
        return [i for i in map(self._numbers.get, NUMERAL.findall(text.normal)) if i is not None]


@dataclass(frozen=True)
class _Kinds:
    """Features by token, and by the first of three characters; -1 where the model knows none."""

    words: Array
    trigrams: Array


@dataclass(frozen=True)
class Reading:
    """What the model says of some texts: `values` [texts, scenarios and statements], and where in a text it finds a statement."""

    values: Array
    token_starts: Array
    character_starts: Array
    kinds: _Kinds
    gains: Callable[[], Mapping[Statement, Array]]

    def clauses(self, text: int, tokens: TokenizedText, statements: Sequence[Statement]) -> list[tuple[int, int]]:
        """For each statement the clause (a span of the normal text) whose words and characters speak most for it."""
        of_tokens = slice(self.token_starts[text], self.token_starts[text + 1])
        words = self.kinds.words[of_tokens]
        first, length = self.character_starts[text], len(tokens.normal)
        trigrams = self.kinds.trigrams[first : first + max(0, length - 2)]
        places = [tokens.place(i)[0] for i in range(len(words))]
        bounds = [found.span() for found in _CLAUSE.finditer(tokens.normal)] or [(0, length)]
        starts = [begin for begin, _ in bounds]
        out = []
        for gains in map(self.gains().__getitem__, statements):
            shares = np.zeros(length)
            np.add.at(shares, places, gains[words])
            shares[1 : 1 + len(trigrams)] += gains[trigrams]
            out.append(bounds[int(np.add.reduceat(shares, starts).argmax())])
        return out
