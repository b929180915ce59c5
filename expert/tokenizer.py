"""Text -> `TokenizedText`: folding with offsets kept, kana in their usual writing, and Sudachi's morphemes (mode C)."""

import json
import re
import sys
import threading
import unicodedata
from collections.abc import Callable
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

from sudachipy import Dictionary, Morpheme, SplitMode

from expert import kana_kanji
from expert.domain import TokenizedText
from expert.kana_kanji import KanaKanjiConverter, is_kana

FIELDS = {"normalized_form", "pos"}
"""What Sudachi has to look up; a field left out gives wrong answers in silence, so a test compares with all fields."""

_KEPT = "…"  # NFKC would make three full stops of it, which end a sentence
# Characters that folding leaves as they are or maps to one other, and of which Sudachi makes neither blank nor empty tokens.
_PLAIN = re.compile(r"[!-~、-〕ぁ-ゖァ-ー一-鿿！-～→×○〜]*+")
_WIDE_LATIN = re.compile(r"[！-～]")
_WHOLE = re.compile(r"[!-~、-〕ぁ-ゖァ-ー一-鿿！-～\n→×○〜 \t\u3000]*+")  # Sudachi makes no empty token of them
_IN_PLACE = re.compile(r"[!-~、-〕ぁ-ゖァ-ー一-鿿！-～\n…→×○〜]*+")  # folding leaves their number alone
_IN_PLACE_OR_BLANK = re.compile(r"[!-~、-〕ぁ-ゖァ-ー一-鿿！-～\n…→×○〜 \t\u3000]*+")
_BLANKS = re.compile(r"[ \t\u3000]+")
_BLANK = frozenset((" ", "\n", "\t", "\u3000", ""))
_MOST_LEMMAS = 200_000
"""Words of which the normalized form is remembered: a bound on memory, not a setting to tune."""
IMPERATIVE, VOLITIONAL, CONDITIONAL, TERMINAL, CONTINUATIVE, OTHER_FORM = 1, 2, 3, 4, 5, 0
_FORMS = {
    "命令形": IMPERATIVE,
    "意志推量形": VOLITIONAL,
    "仮定形": CONDITIONAL,
    "終止形": TERMINAL,
    "連体形": TERMINAL,
    "連用形": CONTINUATIVE,
}


class Tokenizer:
    """Sudachi with sudachidict-core. Safe for several threads: each has its own Sudachi tokenizer."""

    def __init__(self, kana: Path | None = None) -> None:
        """`kana`: the units with which texts in kana are read; without them they are left as they are."""
        self._kana = KanaKanjiConverter(partial(kana_kanji.read, kana)) if kana else None
        self._dictionary = Dictionary(dict="core", config=_configuration())
        self._local = threading.local()
        self._forms: dict[int, int] = {}
        self._lemmas: dict[int, str] = {}
        """Normalized forms by word id: several times quicker than to have each made anew."""

    def tokenize(self, text: str) -> TokenizedText:
        """Any string, lone surrogates included (each is read as U+FFFD); blanks are not tokens."""
        plain = _PLAIN.fullmatch(text)
        normal, origin, kana = self._normalized(text, bool(plain))
        morphemes = self._sudachi().tokenize(_for_sudachi(normal))
        lemmas = self._normalized_forms(morphemes)
        skipped = () if plain else _no_tokens(normal, lemmas, morphemes)
        for i in reversed(skipped):
            del lemmas[i]
        return TokenizedText(text, normal, origin, lemmas, morphemes, self._form, skipped, kana)

    def normal(self, text: str) -> str:
        """The text of `tokenize`, without its tokens."""
        return self._normalized(text, bool(_PLAIN.fullmatch(text)))[0]

    def _normalized(self, text: str, plain: bool) -> tuple[str, tuple[int, ...] | None, bool]:
        normal, origin = (_narrow(text), None) if plain else _fold(text)
        if self._kana is None or not is_kana(normal):
            return normal, origin, False
        return *self._kana.convert(text, normal, origin), True

    def _normalized_forms(self, morphemes: Any) -> list[str]:
        known: list[Any] = list(map(self._lemmas.get, map(Morpheme.word_id, morphemes)))
        return known if all(known) else [lemma or self._normalized_form(morphemes[i]) for i, lemma in enumerate(known)]

    def _normalized_form(self, morpheme: Morpheme) -> str:
        lemma = sys.intern(morpheme.normalized_form())  # the same object as in the tables in which it is looked up
        if not morpheme.is_oov() and len(self._lemmas) < _MOST_LEMMAS:  # words that are not in the dictionary share their ids
            self._lemmas[morpheme.word_id()] = lemma
        return lemma

    def _sudachi(self) -> Any:
        tokenizer = getattr(self._local, "tokenizer", None)
        if tokenizer is None:
            tokenizer = self._local.tokenizer = self._dictionary.tokenizer(mode=SplitMode.C, fields=FIELDS)
        return tokenizer

    def _form(self, kind: int) -> int:
        """Conjugation form of a part-of-speech id."""
        form = self._forms.get(kind)
        if form is None:
            name = self._dictionary.pos_of(kind)[5].split("-")[0]
            form = self._forms[kind] = _FORMS.get(name, OTHER_FORM)
        return form


def _configuration() -> str:
    """Sudachi's own settings without four plugins.

    One takes what stands in brackets for a reading: 電話(まだ), 支払い(なし) are no readings. One folds the text once more, one joins numerals:
    together a sixth of the time, for what `fold` and `expert.attributes` do themselves. One offers unknown words beside known ones, a twentieth:
    where no word is known, a simpler one, which stays, makes nearly always the same of it.
    """
    settings = json.loads((resources.files("sudachipy") / "resources" / "sudachi.json").read_text(encoding="utf-8"))
    settings["inputTextPlugin"] = _without(settings["inputTextPlugin"], "IgnoreYomiganaPlugin", "DefaultInputTextPlugin")
    settings["oovProviderPlugin"] = _without(settings["oovProviderPlugin"], "MeCabOovPlugin")
    settings["pathRewritePlugin"] = _without(settings["pathRewritePlugin"], "JoinNumericPlugin")
    return json.dumps(settings)


def _without(plugins: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [plugin for plugin in plugins if not plugin["class"].endswith(names)]


def _no_tokens(normal: str, lemmas: list[str], morphemes: Any) -> list[int]:
    """Which morphemes are blanks, or of no length (of …)."""
    out = [i for i, lemma in enumerate(lemmas) if lemma in _BLANK]
    if not _WHOLE.fullmatch(normal):
        out += [i for i, m in enumerate(morphemes) if m.begin() == m.end() and lemmas[i] not in _BLANK]
        out.sort()
    return out


def _for_sudachi(normal: str) -> str:
    """In small letters, as the dictionary has them; … would grow together with the mark behind it."""
    small = normal.lower()
    return (small if len(small) == len(normal) else normal).replace(_KEPT, "、")


def fold(text: str) -> tuple[str, tuple[int, ...] | None]:
    """NFKC, no blanks between Japanese characters, no control characters; with the offset of each character.

    Returns the folded text, and the offsets (one more for the end) or None where each character kept its place.
    """
    return (_narrow(text), None) if _PLAIN.fullmatch(text) else _fold(text)


def _fold(text: str) -> tuple[str, tuple[int, ...] | None]:
    if _IN_PLACE.fullmatch(text):
        return _narrow(text), None
    if _IN_PLACE_OR_BLANK.fullmatch(text):
        return _without_blanks(text, _narrow)
    if not any(map(_is_troublesome, set(text) - _BLANK)):
        return _without_blanks(text, _nfkc) if _has_blank(text) else (_nfkc(text), None)
    out: list[str] = []
    origin: list[int] = []
    for start, cluster in _clusters(text):
        for char in _folded(cluster, text, start, out):
            out.append(char)
            origin.append(start)
    origin.append(len(text))
    return "".join(out), tuple(origin)


def _narrow(plain: str) -> str:
    """NFKC of a text that _PLAIN or _IN_PLACE_OR_BLANK matches: of its characters only wide Latin ones change."""
    for char in set(_WIDE_LATIN.findall(plain)):
        plain = plain.replace(char, unicodedata.normalize("NFKC", char))
    return plain


def _without_blanks(text: str, normalize: Callable[[str], str]) -> tuple[str, tuple[int, ...]]:
    """For a text in which blanks alone are in the way: quicker than character by character."""
    parts: list[str] = []
    origin: list[int] = []
    done = 0
    for found in _BLANKS.finditer(text):
        between_japanese = _is_wide(text[found.start() - 1 : found.start()]) and _is_wide(text[found.end() : found.end() + 1])
        parts += [text[done : found.start()], "" if between_japanese else " "]
        origin += [*range(done, found.start()), *([] if between_japanese else [found.start()])]
        done = found.end()
    parts.append(text[done:])
    return normalize("".join(parts)), (*origin, *range(done, len(text) + 1))


def _folded(cluster: str, text: str, start: int, out: list[str]) -> str:
    if _is_noise(cluster[0]):
        return "\ufffd" if "\ud800" <= cluster <= "\udfff" else " "
    if cluster.isspace() and cluster != "\n":
        after = text[start + len(cluster) : start + len(cluster) + 1]
        before = out[-1] if out else ""
        return "" if _is_wide(before) and _is_wide(after) else " "
    return _nfkc(cluster)


def _nfkc(text: str) -> str:
    return _KEPT.join(unicodedata.normalize("NFKC", part) for part in text.split(_KEPT))


def _clusters(text: str) -> list[tuple[int, str]]:
    """Each base character together with the marks that NFKC may join to it (half-width dakuten, combining marks)."""
    clusters: list[tuple[int, str]] = []
    for i, char in enumerate(text):
        if clusters and (char in "ﾞﾟ" or unicodedata.combining(char)):
            start, base = clusters[-1]
            clusters[-1] = (start, base + char)
        else:
            clusters.append((i, char))
    return clusters


@cache
def _is_troublesome(char: str) -> bool:
    """Whether folding a character on its own could change the number of characters."""
    return (char != _KEPT and len(unicodedata.normalize("NFKC", char)) != 1) or char in "ﾞﾟ" or bool(unicodedata.combining(char)) or _is_noise(char)


def _has_blank(text: str) -> bool:
    return " " in text or "\u3000" in text or "\t" in text


def _is_wide(char: str) -> bool:
    return bool(char) and not char.isascii() and not char.isspace()


def _is_noise(char: str) -> bool:
    return char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs", "Cf", "Co")
