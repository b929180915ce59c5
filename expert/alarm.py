"""Is a life in danger? A linear model over one to three characters in a row, heard sentence by sentence: the most alarming one counts.

Such words stand in one sentence of a long story about something else, and hardly ever twice alike: a list of phrases misses most of them, and
among the features of a whole text they drown. Learnt from single sentences on both sides (`corpus/train/danger*.tsv`) and from whole stories.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from expert.trigrams import Table, runs

Array = np.ndarray[Any, Any]

SENTENCE = re.compile(r"[^。!?\n]{0,24}[^。、!?\n]{0,40}[。、!?\n]*")
"""A sentence, or a part of a long one: to the next comma after 24 characters, and never more than 64."""
_MASKED = (
    ("」", re.compile(r"「[^」]{1,20}」(?:という|って|っていう)(?:歌|曲|映画|本|漫画|小説|ドラマ|ゲーム|アニメ|番組)")),
    (
        "」",
        re.compile(
            r"「[^」]{0,8}(?:死ねばいいのに|しねばいいのに|死ね(?![ばたるな])|しね(?![ばたるな])|消えろ|きえろ|消えてくれ)[^」]{0,4}」(?:って|と|とか)"
            r"[^。!?\n]{0,10}(?:き(?:た|て|まし)|来(?:た|て|まし)|言わ|いわ|書か|かか|送ら|おくら|届)"
        ),
    ),
    (
        "死",
        re.compile(
            r"(?:月曜で|月曜から|退屈で|筋肉痛で|花粉で|笑い[過す]ぎて)死(?:ぬ(?!しか|つもり|から|ほう|方|気)|にそう|んで(?:る|ます)|んだ(?!ほう|方))"
        ),
    ),
    ("を蹴", re.compile(r"(?<![がは父母])(?:夫|旦那|妻|嫁)を蹴[^。!?\n]{0,12}(?:いびき|寝言|寝相|起こし|起き(?!上が|ませ|な|れ|ら))")),
)
"""What is no danger to whoever writes, beside the characters without which it is not looked for: what is called so is not meant; what others
wish somebody is told by the rules; nobody dies of a Monday; who kicks a sleeper to wake him is not attacked.
"""
_PLAYED = re.compile(
    r"ラスボス|ボス(?:戦|つよ|強)|ゲームオーバー|攻略|こうりゃく|レベル上げ|残機|(?:ドラマ|映画|アニメ|漫画|マンガ|小説|ゲーム)の(?:中|場面|シーン|犯人|敵)"
)
_NEXT = 40
"""Characters around a sentence in which a game or fiction makes it one."""
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


def _masked(text: str) -> str:
    for needed, pattern in _MASKED:
        if needed in text:
            text = pattern.sub(lambda found: " " * len(found[0]), text)
    return text


def weighed(owner: Array, texts: int) -> Array:
    """What each occurrence in a sentence counts, from the sentence of each [occurrences]: a long one has more of them."""
    return np.asarray(1 / np.sqrt(np.maximum(np.bincount(owner, minlength=texts), _SHORTEST)))


@dataclass(frozen=True)
class Alarm:
    """What one to three characters in a row add to the value of a sentence: their keys (`trigrams.runs`) and gains [features], and its bias."""

    keys: Array
    gains: Array
    bias: float

    @cached_property
    def _table(self) -> Table:
        return Table(self.keys, np.arange(len(self.keys)))

    def hear(self, texts: Sequence[str]) -> list[Alarming]:
        """The most alarming sentence of each text."""
        texts = list(map(_masked, texts))
        spans = [sentences(text) for text in texts]
        owner, found = runs([text[a:b] for text, bounds in zip(texts, spans, strict=True) for a, b in bounds])
        size = sum(map(len, spans))
        gains = np.append(self.gains, 0.0)[self._table.look_up(found)]
        values = np.bincount(owner, gains, size) * weighed(owner, size) + self.bias
        out, first = [], 0
        for bounds in spans:
            of_text = values[first : first + len(bounds)]
            best = int(of_text.argmax())
            out.append(Alarming(float(of_text[best]), *bounds[best]))
            first += len(bounds)
        return out
