"""Characters in a row, above all three of them, all digits alike: as names, and as numbers for many texts at once, which is many times quicker."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PREFIX = "tri:"
"""How the name of a feature of three characters begins."""
NONE = -1
"""The key of what is no three characters of one text."""
_DIGITS = str.maketrans("123456789", "000000000")
_ZERO, _NINE = ord("0"), ord("9")
_BITS = 21
"""Of a character's number in Unicode: three of them make one key."""
_CHARACTER = 2**_BITS - 1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""Multiplied with a key, its upper bits are well mixed (Fibonacci hashing, Knuth 6.4)."""


def trigrams(normal: str) -> list[str]:
    """The names of all three characters in a row of a text, in their order."""
    folded = normal.translate(_DIGITS)
    return [PREFIX + folded[i : i + 3] for i in range(len(folded) - 2)]


def owners(lengths: Sequence[int]) -> Array:
    """The number of the text to which each of its items belongs."""
    return np.repeat(np.arange(len(lengths)), lengths)


def _codes(texts: Sequence[str]) -> tuple[Array, Array]:
    """For each character of all texts: its text, and its number in Unicode, all digits alike."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    codes[(codes > _ZERO) & (codes <= _NINE)] = _ZERO
    return owners(list(map(len, texts))), codes


def runs(texts: Sequence[str]) -> tuple[Array, Array]:
    """One, two and three characters in a row, wherever they stand: the text and the key of each. Keys of different lengths differ."""
    owner, one = _codes(texts)
    two = one[:-1] << _BITS | one[1:]
    three = two[:-1] << _BITS | one[2:]
    kept = [owner[k:] == owner[: len(owner) - k] for k in (1, 2)]
    return np.concatenate([owner, owner[1:][kept[0]], owner[2:][kept[1]]]), np.concatenate([one, two[kept[0]], three[kept[1]]])


def hashed(found: Array, bits: int) -> Array:
    """For each key one of 2^`bits` places (feature hashing: Weinberger et al. 2009); different keys may share one."""
    return (found.astype(np.uint64) * _GOLDEN >> np.uint64(64 - bits)).astype(np.int32)


def keys(texts: Sequence[str]) -> tuple[Array, Array]:
    """For each character of all texts but the last two: its text, and the key of the three characters that begin there (NONE across texts)."""
    owner, codes = _codes(texts)
    found = codes[:-2] << 2 * _BITS | codes[1:-1] << _BITS | codes[2:]
    return owner[:-2], np.where(owner[2:] == owner[:-2], found, NONE)


def key_of(names: Sequence[str]) -> Array:
    """The keys of names."""
    return keys(["".join(name.removeprefix(PREFIX) for name in names)])[1][::3]


def names(found: Array) -> list[str]:
    """The names of keys."""
    codes = np.stack([found >> 2 * _BITS, found >> _BITS & _CHARACTER, found & _CHARACTER], axis=1).astype(np.uint32)
    characters = codes.tobytes().decode("utf-32-le", "surrogatepass")
    return [PREFIX + characters[i : i + 3] for i in range(0, len(characters), 3)]


def numbered(keys: Array) -> tuple[Array, Array]:
    """The different keys in order, and the number of each [keys]: `np.unique` with its inverse, in half of the time."""
    ordered = np.sort(keys)
    unique = ordered[np.diff(ordered, prepend=NONE) > 0]
    return unique, Table(unique, np.arange(len(unique))).look_up(keys)


class Table:
    """Numbers by 64-bit keys: a hash table with open addressing, looked up for many keys at once: quicker than binary search."""

    def __init__(self, keys: Array, values: Array) -> None:
        self._shift = np.uint64(64 - max(1, 2 * len(keys) - 1).bit_length())  # at most half full
        size = 1 << (64 - int(self._shift))
        self._slots = np.full((size, 2), NONE, np.int64)  # key and value side by side: one visit to memory for both
        at = self._place(keys)
        while len(at):
            free = self._slots[at, 0] == NONE
            self._slots[at[free], 0] = keys[free]
            won = self._slots[at, 0] == keys  # of several keys that want one place the last got it
            self._slots[at[won], 1] = values[won]
            keys, values, at = keys[~won], values[~won], (at[~won] + 1) & (size - 1)

    def look_up(self, keys: Array) -> Array:
        """The value of each key; -1 where there is none."""
        at = self._place(keys)
        met, values = self._slots.take(at, 0).T
        found = np.where(met == keys, values, NONE)
        searching = np.flatnonzero((met != keys) & (met != NONE))
        at = at[searching]
        while len(searching):
            at = at + 1 & (len(self._slots) - 1)
            met, values = self._slots.take(at, 0).T
            hit = met == keys[searching]
            found[searching[hit]] = values[hit]
            on = ~hit & (met != NONE)
            at, searching = at[on], searching[on]
        return found

    def _place(self, keys: Array) -> Array:
        return (keys.astype(np.uint64) * _GOLDEN >> self._shift).astype(np.int64)
