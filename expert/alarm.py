"""Is a life in danger? A linear model over one to three characters in a row, heard sentence by sentence: the most alarming one counts.

Such words stand in one sentence of a long story about something else, and hardly ever twice alike: a list of phrases misses most of them, and
among the features of a whole text they drown. Learnt from single sentences on both sides (`corpus/train/danger*.tsv`) and from whole stories.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from expert.trigrams import hashed, runs

Array = np.ndarray[Any, Any]

SENTENCE = re.compile(r"[^。!?\n]{0,24}[^。、!?\n]{0,40}[。、!?\n]*")
"""A sentence, or a part of a long one: to the next comma after 24 characters, and never more than 64."""
_MASKED = (
    re.compile(r"「[^」]{1,20}」(?:という|って|っていう)(?:歌|曲|映画|本|漫画|小説|ドラマ|ゲーム|アニメ|番組)"),
    re.compile(
        r"「[^」]{0,8}(?:死ねばいいのに|しねばいいのに|死ね(?![ばたるな])|しね(?![ばたるな])|消えろ|きえろ|消えてくれ)[^」]{0,4}」(?:って|と|とか)"
        r"[^。!?\n]{0,10}(?:き(?:た|て|まし)|来(?:た|て|まし)|言わ|いわ|書か|かか|送ら|おくら|届)"
    ),
)
"""What is no danger to whoever writes: what is called so is not meant, and what others wish somebody is told by the rules."""
_PLAYED = re.compile(
    r"ラスボス|ボス(?:戦|つよ|強)|ゲームオーバー|攻略|こうりゃく|レベル上げ|残機|(?:ドラマ|映画|アニメ|漫画|マンガ|小説|ゲーム)の(?:中|場面|シーン|犯人|敵)"
)
_NEXT = 40
"""Characters around a sentence in which a game or fiction makes it one."""
PLACES = 21
"""Bits of a place: some two million of them, so that few rows that teach something share one."""
_SHORTEST = 8
"""Characters below which a sentence counts as no shorter: two characters alone say little."""


class Alarming(NamedTuple):
    """The most alarming sentence of a text: its value (above 0 where danger is more likely than not) and its span."""

    value: float
    begin: int
    end: int


def is_played(normal: str, begin: int, end: int) -> bool:
    """Whether a sentence stands beside a game or fiction, where people die and threaten as a matter of course."""
    return bool(_PLAYED.search(normal, max(0, begin - _NEXT), end + _NEXT))


def sentences(normal: str) -> list[tuple[int, int]]:
    """The spans of the sentences of a text; one of no length for a text without any."""
    return [found.span() for found in SENTENCE.finditer(normal) if found.end() > found.start()] or [(0, len(normal))]


def masked(text: str) -> str:
    """A text with blanks in place of quoted words that are no danger to whoever writes."""
    if "」" in text:
        for pattern in _MASKED:
            text = pattern.sub(lambda found: " " * len(found[0]), text)
    return text


def features(sentences: Sequence[str]) -> tuple[Array, Array]:
    """One, two and three characters in a row: the sentence of each, and its place, one of 2^PLACES."""
    owner, found = runs(sentences)
    return owner, hashed(found, PLACES)


def weighed(owner: Array, texts: int) -> Array:
    """What each occurrence in a sentence counts, from the sentence of each [occurrences]: a long one has more of them."""
    return np.asarray(1 / np.sqrt(np.maximum(np.bincount(owner, minlength=texts), _SHORTEST)))


@dataclass(frozen=True)
class Alarm:
    """What one to three characters in a row add to the value of a sentence: the gain of each place (`features`), and its bias."""

    gains: Array
    bias: float

    def hear(self, texts: Sequence[str]) -> list[Alarming]:
        """The most alarming sentence of each text."""
        texts = list(map(masked, texts))
        spans = [sentences(text) for text in texts]
        owner, places = features([text[a:b] for text, bounds in zip(texts, spans, strict=True) for a, b in bounds])
        size = sum(map(len, spans))
        values = np.bincount(owner, self.gains[places], size) * weighed(owner, size) + self.bias
        out, first = [], 0
        for bounds in spans:
            of_text = values[first : first + len(bounds)]
            best = int(of_text.argmax())
            out.append(Alarming(float(of_text[best]), *bounds[best]))
            first += len(bounds)
        return out
