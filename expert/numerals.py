"""Numerals in digits and kanji, in any mixture: 3万5千, 三万, 30,000, 1.5万, 二〇〇〇."""

import re

_POWERS = {"十": 10, "百": 100, "千": 1_000}
_MYRIADS = {"万": 10_000, "億": 100_000_000}
_KANJI = "〇一二三四五六七八九"
NUMERAL = re.compile(rf"[0-9{_KANJI}十百千](?<![数何幾\d.,].)[0-9{_KANJI}十百千万億]*+(?:[.,][0-9][0-9{_KANJI}十百千万億]*+)*+")
"""A set of characters comes first: a search for it skips the rest of a text in a sixth of the time."""
_PART = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+|\d+(?:\.\d+)?|[{_KANJI}]+|.")
_LONGEST = 16
"""Characters: longer ones are no sums, and would be no numbers of the machine."""
_VAGUE = 2
"""So many kanji digits side by side are two guesses, not one number."""


def number(numeral: str) -> int | None:
    """What a numeral in digits and kanji says: 3万5千, 三万, 30,000, 1.5万, 二〇〇〇; None where it is none (三四万: three or four)."""
    if len(numeral) > _LONGEST:
        return None
    total, section, digits = 0.0, 0.0, None
    for part in _PART.findall(numeral):
        if part in _POWERS:
            section, digits = section + (1 if digits is None else digits) * _POWERS[part], None
        elif part in _MYRIADS:
            total, section, digits = total + (section + (digits or 0)) * _MYRIADS[part], 0.0, None
        elif digits is not None or (part[0] in _KANJI and len(part) == _VAGUE) or not part[0].isnumeric():
            return None
        else:
            digits = float("".join(str(_KANJI.index(c)) for c in part) if part[0] in _KANJI else part.replace(",", ""))
    return round(total + section + (digits or 0))
