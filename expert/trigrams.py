"""Three characters in a row, all digits alike: as names, and as numbers for many texts at once, which is many times quicker."""

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


def trigrams(normal: str) -> list[str]:
    """The names of all three characters in a row of a text, in their order."""
    folded = normal.translate(_DIGITS)
    return [PREFIX + folded[i : i + 3] for i in range(len(folded) - 2)]


def owners(lengths: Sequence[int]) -> Array:
    """The number of the text to which each of its items belongs."""
    return np.repeat(np.arange(len(lengths)), lengths)


def keys(texts: Sequence[str]) -> tuple[Array, Array]:
    """For each character of all texts but the last two: its text, and the key of the three characters that begin there (NONE across texts)."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    codes[(codes > _ZERO) & (codes <= _NINE)] = _ZERO
    owner = owners(list(map(len, texts)))
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
