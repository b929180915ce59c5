"""What can be read at all: length, language. Values in, values out."""

import re

from expert.errors import InputError

MAX_CHARACTERS = 10_000
"""Longest text that is read. Sudachi itself takes at most 49,149 bytes."""
_JAPANESE = re.compile(r"[\u3040-\u30ff\uff66-\uff9f々〆]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SIMPLIFIED = re.compile(r"[们这钱请话账诈骗银协转输发电码网设经问题吗么还没说给过买卖]")
_ENGLISH = (
    " (This service reads Japanese only. For help in Japan call 188 for consumer affairs, #9110 for the police, 110 in an emergency,"
    " or your bank or card company.)"
)
_URL = re.compile(r"https?://\S+|www\.\S+")


def check_text(text: str) -> None:
    """Raise InputError for an empty or overlong text, saying what to do."""
    stripped = text.strip()
    if not stripped:
        raise InputError("文章が空です。何が起きたかを、ふだんの言葉で書いてください。")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"文章が長すぎます({len(text):,}文字)。{MAX_CHARACTERS:,}文字までにして、起きたことを中心に書いてください。")


def unreadable(text: str) -> str | None:
    """Why a text says nothing that could be advised on (another language, a bare URL), in words for the user; None for Japanese."""
    rest = _URL.sub("", text).strip() if "://" in text or "www." in text else text
    if not rest:
        return "URLだけでは判断できません。そのページで何が起きたかを、日本語で書いてください(URLは開かないでください)。"
    if _JAPANESE.search(rest) or (_HAN.search(rest) and not _SIMPLIFIED.search(rest)):
        return None
    return f"日本語の文章を読み取れませんでした。何が起きたかを、日本語で書いてください。{_ENGLISH}"
