"""A text in kana -> the text as it is usually written: かな漢字変換 in small, so that おかねをはらった is read as お金を払った is.

Children, old people and people who are learning Japanese write so; lexicon and classifier know the usual way. The units (words and short sequences
of words, as the training corpus writes them) stand in `rules/kana.tsv`; `eval/kana_units.py` makes it. Of all ways to cut the text into units the
most probable one counts, each unit being independent of its neighbours (unigram language model: Kudo 2018; search: Viterbi 1967).
"""

import re
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from math import log
from pathlib import Path

from ahocorasick_rs import AhoCorasick

from expert.errors import KnowledgeError

DIGIT = "0"
"""Stands for any digit in readings and in what is written: 3だい and 5だい are one unit."""
LONGEST = 16
"""Characters of a reading."""
_UNKNOWN = 16.0
"""Cost of one character that no unit covers, as -log of a probability: a little more than the rarest unit."""
_ACROSS = 2.0
"""Cost of a blank within a unit, on the same scale."""
_TWO_AT_ONCE = re.compile(r"[^一-鿿々]{0,11}+[一-鿿々][^一-鿿々]{0,11}+[一-鿿々]")
"""How nearly all other texts begin, so that they cost no more than this look."""
_KANJI, _HIRAGANA, _KATAKANA = re.compile(r"[一-鿿々]"), re.compile(r"[ぁ-ゖ]"), re.compile(r"[ァ-ヶ]")
_ENDING = re.compile(r"ヲ|マシ[タテ]|マス|マセン|[シッ]テ(?:イ|ル|シマ|$|[ 、。])|デス|シタ|ナイ(?:$|[ 、。])")
"""What is written in katakana by those alone who write their hiragana so."""
_MOST_KANJI, _LEAST_KANA = 0.05, 0.4
_FEWEST_KATAKANA = 8
_LONG, _STEM = 4, "いきにみ"
"""What is no mere ending of a kanji before it: a reading of so many characters (先週フリコミマシタ) that begins otherwise."""
_TO_HIRAGANA = {ord("ァ") + i: ord("ぁ") + i for i in range(ord("ヶ") - ord("ァ") + 1)}
_TO_DIGIT = {ord(digit): DIGIT for digit in "123456789"}
_COVERED = frozenset(map(chr, range(ord("ぁ"), ord("ゖ") + 1))) | {"ー", DIGIT}
"""What units are made of; all else stays as it is, at no cost."""

Units = dict[str, tuple[str, int]]
"""By reading: how it is written, and how often that occurs."""
Piece = tuple[int, int, str]
"""Where a unit stands in the text, and how it is written."""


def is_kana(normal: str) -> bool:
    """Whether a folded text is written in hiragana with hardly a kanji, or with katakana in place of hiragana."""
    if not normal:
        return False
    size = len(normal)
    if _TWO_AT_ONCE.match(normal) or len(_KANJI.findall(normal)) > _MOST_KANJI * size:
        return _is_katakana(normal) and bool(_ENDING.search(normal))
    return len(_HIRAGANA.findall(normal)) >= _LEAST_KANA * size or _is_katakana(normal)


def _is_katakana(normal: str) -> bool:
    return not _HIRAGANA.search(normal) and len(_KATAKANA.findall(normal)) >= max(_FEWEST_KATAKANA, _LEAST_KANA * len(normal))


def to_hiragana(text: str) -> str:
    """Katakana as hiragana, all else as it is."""
    return text.translate(_TO_HIRAGANA)


class KanaKanjiConverter:
    """Units by their readings. Values in, values out; safe for several threads."""

    def __init__(self, units: Callable[[], Units]) -> None:
        """`units` is called at the first text in kana, which most runs never meet."""
        self._read = units
        self._made: tuple[AhoCorasick, list[tuple[str, float]]] | None = None

    @property
    def _compiled(self) -> tuple[AhoCorasick, list[tuple[str, float]]]:
        """What finds the readings, and of each how it is written and what it costs (-log of its share)."""
        if self._made is None:
            units = self._read()
            total = sum([count for _, count in units.values()])
            self._made = AhoCorasick(list(units)), [(surface, log(total / count)) for surface, count in units.values()]
        return self._made

    def convert(self, text: str, normal: str, origin: Sequence[int] | None) -> tuple[str, tuple[int, ...]]:
        """A folded text and its places in `text` (see `TokenizedText`) -> the same for the text in its usual writing.

        Raises KnowledgeError for a faulty file.
        """
        places = range(len(normal) + 1) if origin is None else origin
        breaks = {i for i in range(1, len(normal)) if text[places[i - 1] + 1 : places[i]].isspace()}
        written, at = list[str](), list[int]()
        for start, end, surface in self.pieces(normal, breaks):
            written.append(surface)
            at += [places[i] for i in _aligned(normal[start:end], surface, start)]
        return "".join(written), (*at, places[len(normal)])

    def pieces(self, normal: str, breaks: Collection[int] = ()) -> list[Piece]:
        """The most probable units. `breaks`: where the writer has left a blank, which is seldom within a word."""
        finder, units = self._compiled
        key = (to_hiragana(normal) if _is_katakana(normal) else normal).translate(_TO_DIGIT)
        after_kanji = {found.end() for found in _KANJI.finditer(normal)}
        passed = list(accumulate([int(at in breaks) for at in range(len(key) + 1)]))
        ending: list[list[tuple[int, int, float]]] = [[] for _ in range(len(key) + 1)]
        for unit, start, end in finder.find_matches_as_indexes(key, overlapping=True):
            if start in after_kanji and (end - start < _LONG or key[start] in _STEM) and _KANJI.search(units[unit][0]):
                continue  # 教えた, 書きました: what follows a kanji is its ending
            ending[end].append((start, unit, units[unit][1] + _ACROSS * (passed[end - 1] - passed[start])))
        costs, steps = [0.0], [(0, -1)]
        for end, char in enumerate(key, start=1):
            best, step = costs[end - 1] + (_UNKNOWN if char in _COVERED else 0.0), (end - 1, -1)
            for start, unit, cost in ending[end]:
                if costs[start] + cost < best:
                    best, step = costs[start] + cost, (start, unit)
            costs.append(best)
            steps.append(step)
        out, end = list[Piece](), len(key)
        while end:
            start, unit = steps[end]
            out.append((start, end, normal[start:end] if unit < 0 else _with_digits(units[unit][0], normal[start:end])))
            end = start
        return out[::-1]


def read(file: Path) -> Units:
    """The units of a file: lines of reading, writing and how often that occurs, with tabs between; # starts a comment.

    Raises KnowledgeError naming each faulty line.
    """
    out, faults = Units(), list[str]()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        reading, *rest = line.split("\t")
        if len(rest) != 2 or not reading or len(reading) > LONGEST or not rest[0] or not rest[1].isdecimal() or int(rest[1]) < 1:
            faults.append(f"{file.name}:{number}: 「読み(タブ)書き方(タブ)回数」の形で書いてください(読みは{LONGEST}文字まで、回数は1以上)")
        elif reading in out:
            faults.append(f"{file.name}:{number}: 読み「{reading}」は上の行にもあります")
        else:
            out[reading] = rest[0], int(rest[1])
    if faults:
        raise KnowledgeError(faults)
    return out


def _with_digits(surface: str, piece: str) -> str:
    if DIGIT not in surface:
        return surface
    digits = iter([char for char in piece if char.isdecimal()])
    return "".join(next(digits, char) if char == DIGIT else char for char in surface)


def _aligned(reading: str, surface: str, start: int) -> list[int]:
    """For each character written where its reading begins: the same kana at both ends face each other, the rest shares what is between."""
    same = 0
    while same < min(len(reading), len(surface)) and reading[-1 - same] == surface[-1 - same]:
        same += 1
    left, width = len(surface) - same, len(reading) - same
    return [start + i * width // left for i in range(left)] + [start + width + i for i in range(same)]
