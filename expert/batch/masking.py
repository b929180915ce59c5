"""Personal data out of what is written: each character of it becomes ＊ or *, so that lengths and offsets stay.

Phone numbers, mail addresses, card numbers, account numbers, postal addresses. Not names: no pattern finds them reliably.
"""

import re
import unicodedata
from collections.abc import Sequence

_D = r"[0-9０-９]"
_DASH = r"[-－‐‑‒–—―ー−.．・ 　]"
_GAP = rf"[ 　]?{_DASH}[ 　]?"
_OPEN, _CLOSE = r"[(（]", r"[)）]"
_ALONE = rf"(?<!{_D})"
_MAIL = r"[A-Za-z0-9Ａ-Ｚａ-ｚ０-９._%+＿．-]{1,64}[@＠][A-Za-z0-9Ａ-Ｚａ-ｚ０-９.．-]{1,255}[.．][A-Za-zＡ-Ｚａ-ｚ]{2,}"
_PHONE = (
    # with marks: 03-1234-5678, 090 1234 5678, (03)1234-5678, 0120-123-456, +81 90-1234-5678
    rf"{_ALONE}[+＋]\s?[8８][1１]{_DASH}?{_OPEN}?0?{_CLOSE}?{_D}{{1,4}}{_DASH}?{_D}{{1,4}}{_DASH}?{_D}{{3,4}}(?!{_D})",
    rf"{_ALONE}{_OPEN}?[0０]{_D}{{1,4}}(?:{_CLOSE}|{_GAP}|{_OPEN}){_D}{{1,4}}(?:{_GAP}|{_CLOSE}){_D}{{3,4}}(?!{_D})",
    # 090/1234/5678 (a date has two digits in its middle), 090 12345678
    rf"{_ALONE}[0０]{_D}{{1,3}}[/／]{_D}{{3,4}}[/／]{_D}{{3,4}}(?!{_D})",
    rf"{_ALONE}[0０][57-9５７-９][0０]{_GAP}{_D}{{8}}(?!{_D})",
    # without marks: mobile, IP and toll-free numbers (11 digits), land lines (10 digits)
    rf"{_ALONE}[0０][1-9１-９]{_D}{{8,9}}(?!{_D})",
)
_CARD = (
    rf"{_ALONE}{_D}{{4}}(?:{_DASH}?{_D}{{4}}){{2}}{_DASH}?{_D}{{2,4}}(?:{_DASH}{_D}{{3}})?(?!{_D})",
    rf"{_ALONE}{_D}{{4}}{_DASH}?{_D}{{6}}{_DASH}?{_D}{{4,5}}(?!{_D})",
)
_ACCOUNT = (
    # the word, then the digits (also over は, の, 番号, colons); Japan Post: 記号 12345 番号 12345678
    rf"(?:口座(?:番号)?|普通(?:預金|口座)?|当座(?:預金)?|貯蓄(?:預金)?|記号(?:番号)?|(?<![付談理文話証員])番号)[^0-9０-９\n。、]{{0,8}}?({_D}{{5,8}})(?!{_D})",
    rf"(?:支店|店番|店番号|店名)[^0-9０-９\n。]{{0,8}}?{_D}{{3}}[^0-9０-９\n。]{{1,10}}?({_D}{{7,8}})(?!{_D})",
    rf"{_ALONE}([1１]{_D}{{3}}[0０]{_DASH}(?:{_D}{_DASH})?{_D}{{2,8}})(?!{_D})",
    # seven digits with a hyphen or none, alone on the right of a branch name
    rf"支店[^0-9０-９\n。]{{0,8}}?({_D}{{7}})(?!{_D})",
)
_KANJI_DIGIT = "〇一二三四五六七八九十百"
_NUMBER = rf"(?:{_D}|[{_KANJI_DIGIT}])+"
_HOUSE = rf"{_NUMBER}(?:丁目|番地|番町|番|号|条|線|地割|{_DASH}|の){{1,2}}(?:{_NUMBER}(?:丁目|番地|番|号|{_DASH}|の)?){{0,4}}"
_ROOM = (
    rf"(?:[ 　]?[ァ-ヶーA-Za-zＡ-Ｚａ-ｚ一-龥]{{2,16}}[ 　]?{_NUMBER}(?:号室|号|階|F)|"
    rf"[ 　]?[ァ-ヶーA-Za-z]{{2,16}}(?:マンション|ハイツ|コーポ|荘|アパート)?[ 　]?{_D}{{2,4}})"
)
_PREFECTURE = r"(?:北海道|東京都|京都府|大阪府|[一-龥]{2,3}県)"
_TOWN = r"[一-龥ぁ-んァ-ヶー々ヶケ]"
_ADDRESS = (
    rf"〒[ 　]?{_D}{{3}}{_DASH}?{_D}{{4}}",
    rf"(?:郵便番号[はが:：]?[ 　]?){_D}{{3}}{_DASH}?{_D}{{4}}",
    # a municipality (its prefecture stays: it is an answer's column), a town, and a house number
    rf"(?:{_PREFECTURE})?((?:[一-龥]{_TOWN}{{0,5}}?(?:市|区|郡|町|村)){{1,3}}(?:大字|字)?{_TOWN}{{0,10}}?{_HOUSE}(?:{_ROOM})?)",
)


def _compile(patterns: Sequence[str]) -> list[re.Pattern[str]]:
    return [re.compile(p) for p in patterns]


_PATTERNS = _compile([_MAIL, *_ADDRESS, *_CARD, *_ACCOUNT, *_PHONE])
_WORTH_A_LOOK = re.compile(rf"{_D}|[@＠]|[{_KANJI_DIGIT}](?:丁目|番)")
_PERSONAL_NAME = re.compile(
    r"(?:電話|携帯|tel|phone|fax|ファ[クッ]|メール|mail|住所|address|所在地|郵便|zip|カード番号|card|口座|account)", re.IGNORECASE
)
_NOT_PERSONAL = re.compile(r"(?:有無|種別|種類|方法|形態|区分|discard|phone_?type)", re.IGNORECASE)


def mask(text: str) -> str:
    """The text, of the same length, without what the patterns find."""
    if not _WORTH_A_LOOK.search(text):
        return text
    for pattern in _PATTERNS:
        text = pattern.sub(_replaced, text)
    return text


def _replaced(found: re.Match[str]) -> str:
    """Only the group is covered where a pattern has one (the word 口座番号 stays)."""
    start, end = found.span(1) if found.re.groups else found.span()
    offset = found.start()
    whole = found.group()
    return whole[: start - offset] + cover(whole[start - offset : end - offset]) + whole[end - offset :]


def cover(text: str) -> str:
    """Every character but blanks and marks as a star of its own width."""
    return "".join(c if c.isspace() or c in "-－@＠〒()（）" else "＊" if unicodedata.east_asian_width(c) in "WF" else "*" for c in text)


def is_personal(column: str) -> bool:
    """Whether a column holds such data by its name: then its cells are covered as a whole, of whatever type."""
    return bool(_PERSONAL_NAME.search(column)) and not _NOT_PERSONAL.search(column)
