"""Which column holds the text, the id, the date? By name, else by what stands in the cells."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from expert.errors import InputError

TEXT_NAMES = (
    "text 相談内容 相談の内容 内容 本文 相談 相談文 文章 相談概要 概要 詳細 相談詳細 質問 自由記述 メッセージ 苦情内容 申出内容 "
    "body content message description"
)
ID_NAMES = "id 番号 受付番号 相談番号 受付no 管理番号 整理番号 案件番号 ケース番号 通番 連番 no no. case_id caseid ticket"
DATE_NAMES = "date 日付 受付日 受付日時 受付年月日 相談日 相談日時 相談年月日 日時 年月日 発生日 登録日 作成日 datetime timestamp created_at"
_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff々]")
_DATE = re.compile(
    r"\s*(?:(?P<year>(?:19|20)\d\d)\s*[-/.年]\s*(?P<month>\d{1,2})(?!\d)|(?P<y8>(?:19|20)\d\d)(?P<m8>0[1-9]|1[0-2])[0-3]\d(?!\d)|"
    r"(?P<era>令和|平成|[RHrh])\s*(?P<ey>\d{1,2}|元)\s*[-/.年]\s*(?P<em>\d{1,2})(?!\d))"
)
_ERAS = {"令和": 2018, "R": 2018, "平成": 1988, "H": 1988}
_SHORT = 40


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the columns that are read; `guessed` those that nobody named, for people."""

    text: str
    id: str | None
    date: str | None
    guessed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Columns that the user named."""

    text: str | None = None
    id: str | None = None
    date: str | None = None


def find(columns: Sequence[str], sample: Sequence[Sequence[Any]], wanted: Wanted) -> Roles:
    """The roles of the columns of a table, from names and a sample of its rows.

    Raises InputError if a named column is missing, or if no column holds Japanese text.
    """
    for name in (wanted.text, wanted.id, wanted.date):
        if name is not None and name not in columns:
            raise InputError(f"列「{name}」がありません。あるのは {'、'.join(columns)} です。")
    cells = {name: [str(row[i]) for row in sample if i < len(row) and row[i] is not None] for i, name in enumerate(columns)}
    text = wanted.text or _text(columns, cells)
    if text is None:
        raise InputError(f"相談の文がある列がわかりません。--text-column で選んでください(あるのは {'、'.join(columns)} です)。")
    date = wanted.date or _named(columns, DATE_NAMES, lambda c: c != text) or _first(columns, lambda c: c != text and _holds_dates(cells[c]))
    key = wanted.id or _named(columns, ID_NAMES, lambda c: c != text) or _first(columns[:1], lambda c: c not in (text, date) and _is_key(cells[c]))
    guesses = (("文", text, wanted.text), ("ID", key, wanted.id), ("日付", date, wanted.date))
    return Roles(text, key, date, tuple(f"{what}={name}" for what, name, given in guesses if name and not given))


def _text(columns: Sequence[str], cells: dict[str, list[str]]) -> str | None:
    """A named column unless another holds far longer Japanese; else the one with the longest Japanese."""
    length = {c: _japanese(cells[c]) for c in columns}
    longest = max(columns, key=lambda c: length[c], default=None)
    named = _named(columns, TEXT_NAMES, lambda c: length[c] * 4 >= length[longest or c])
    return named or (longest if longest and length[longest] > 0 else None)


def _named(columns: Sequence[str], names: str, fits: Callable[[str], bool]) -> str | None:
    """The first of the names, compared in any width and case."""
    plain = {unicodedata.normalize("NFKC", c).strip().lower(): c for c in reversed(columns)}
    return next((plain[n] for n in names.split() if n in plain and fits(plain[n])), None)


def _first(columns: Sequence[str], fits: Callable[[str], bool]) -> str | None:
    return next((c for c in columns if fits(c)), None)


def _japanese(cells: Sequence[str]) -> float:
    return sum(len(_JAPANESE.findall(c)) for c in cells) / len(cells) if cells else 0.0


def _holds_dates(cells: Sequence[str]) -> bool:
    filled = [c for c in cells if c.strip()]
    return bool(filled) and sum(len(c) <= _SHORT and month(c) is not None for c in filled) >= 0.8 * len(filled)


def _is_key(cells: Sequence[str]) -> bool:
    """Short, all different, no blanks: an id."""
    return len(cells) > 1 and len(set(cells)) == len(cells) and all(0 < len(c) <= _SHORT and not re.search(r"\s", c) for c in cells)


def month(text: str) -> str | None:
    """`2025-04` from 2025-04-01, 2025/4/1, 2025年4月, 20250401, 令和7年4月1日, R7.4.1; None where no date stands at the start."""
    found = _DATE.match(unicodedata.normalize("NFKC", text))
    if not found:
        return None
    if era := found["era"]:
        year = _ERAS[era.upper() if era.isascii() else era] + (1 if found["ey"] == "元" else int(found["ey"]))
    else:
        year = int(found["year"] or found["y8"])
    number = int(found["month"] or found["m8"] or found["em"])
    return f"{year}-{number:02}" if 1 <= number <= 12 else None


def unique(names: Sequence[Any]) -> list[str]:
    """Column names that are all there and all different: 列3 for an empty one, 内容_2 for the second 内容."""
    out: list[str] = []
    for i, raw in enumerate(names, start=1):
        name = base = str(raw).strip() if raw is not None and str(raw).strip() else f"列{i}"
        n = 2
        while name in out:
            name, n = f"{base}_{n}", n + 1
        out.append(name)
    return out
