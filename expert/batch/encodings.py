"""Which encoding is a file in? Strict trial decoding of the whole file: surer than statistics, since few encodings are possible here."""

import codecs
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from expert.errors import InputError

_BLOCK = 1 << 20
_SAMPLE = 4 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TRIAL = "a" * 99 + "\n"
_NOT_OF_FILES = ("punycode", "unicode-escape", "raw-unicode-escape")
_LEGACY = ("cp932", "euc_jp", "euc_jis_2004")
NAMES = {"utf-8-sig": "UTF-8(BOMつき)", "utf-8": "UTF-8", "cp932": "Shift_JIS(cp932)", "euc_jp": "EUC-JP", "euc_jis_2004": "EUC-JP"}
_USUAL = re.compile(r"[\u3040-\u30ff\u3000-\u3002\u4e00-\u9fff]")
_TEXT = re.compile(r"[\t\r\n -~\u2010-\u205f\u3000-\u30ff\u4e00-\u9fff\uff01-\uff9f]")
_ODD = re.compile(r"[\uff61-\uff9f\ue000-\uf8ff\ufffd\u0080-\u009f]")


@dataclass(frozen=True, slots=True)
class Bytes:
    """What one pass over a file found: a fingerprint, its size in bytes and lines, and (for text) the encoding; `lossy` where no encoding fits."""

    digest: str
    size: int
    lines: int
    encoding: str = ""
    lossy: bool = False


def known(name: str) -> str:
    """The codec of a name that a user gave. Raises InputError saying what is possible."""
    aliases = {"shift_jis": "cp932", "sjis": "cp932", "shift-jis": "cp932", "utf8": "utf-8-sig", "utf-8": "utf-8-sig"}
    wanted = aliases.get(name.lower(), name)
    try:
        _TRIAL.encode(wanted)  # refuses what is no text encoding (base64), and idna and undefined, which fail in other ways
        found = codecs.lookup(wanted).name
    except (LookupError, ValueError):
        found = ""
    if not found or found in _NOT_OF_FILES:
        raise InputError(f"文字コード「{name}」は知りません。utf-8、utf-16、cp932、euc_jp のように指定してください。")
    return found


def survey(file: Path, *, text: bool, encoding: str | None = None) -> Bytes:
    """Read the file once: fingerprint, and for text the encoding (every candidate must decode all of it).

    Raises InputError if the file cannot be read, or is wanted as text and holds none.
    """
    digest, size, lines = hashlib.sha256(), 0, 0
    sample = b""
    trials: dict[str, codecs.IncrementalDecoder] | None = None if text else {}
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                if trials is None:
                    if not encoding and _is_binary(block):
                        raise InputError(
                            f"{file} は文字のファイルではないようです。CSV、TSV、JSONLか、中身に合った名前(.xlsx、.parquet)のファイルを渡すか、"
                            "文字のファイルなら --encoding で文字コードを指定してください。"
                        )
                    trials = {name: codecs.getincrementaldecoder(name)() for name in _candidates(block, encoding)}
                digest.update(block)
                size += len(block)
                lines += block.count(b"\n")
                sample += block[: max(0, _SAMPLE - len(sample))]
                trials = {name: trial for name, trial in trials.items() if _decodes(trial, block)}
    except OSError as error:
        raise InputError(f"{file} を開けません({error.strerror})。ファイルの名前と場所を確かめてください。") from error
    if not text:
        return Bytes(digest.hexdigest(), size, lines)
    trials = {"utf-8": codecs.getincrementaldecoder("utf-8")()} if trials is None else trials  # an empty file
    fitting = [name for name, trial in trials.items() if _decodes(trial, b"", final=True)]
    chosen = _best(fitting, sample) or _least_damaged(sample, encoding)
    return Bytes(digest.hexdigest(), size, lines, chosen, not fitting)


def _candidates(start: bytes, given: str | None) -> tuple[str, ...]:
    if given:
        return (given,)
    for bom, name in _BOMS:
        if start.startswith(bom):
            return (name,)
    if b"\0" in start[:4096] and not _is_utf8(start[:4096]):
        even, odd = start[:4096:2].count(0), start[1:4096:2].count(0)
        return ("utf-16-be", "utf-16-le") if even > odd else ("utf-16-le", "utf-16-be")
    if b"\x1b$" in start:
        return ("iso2022_jp_ext", "utf-8")
    return ("utf-8", *_LEGACY)


def _is_utf8(start: bytes) -> bool:
    """Whether text with zero bytes is UTF-8 all the same. ASCII and many kana are valid in UTF-16 too: there it is what reads better."""
    if not _decodes(codecs.getincrementaldecoder("utf-8")(), start):
        return False
    return not start.isascii() or _share_of_text(start, "utf-8") >= max(_share_of_text(start, name) for name in ("utf-16-le", "utf-16-be"))


def _share_of_text(start: bytes, encoding: str) -> float:
    text = start.decode(encoding, "replace")
    return len(_TEXT.findall(text)) / len(text)


def _is_binary(start: bytes) -> bool:
    """Zero bytes in what is neither UTF-8 nor marked as UTF-16 or UTF-32, and does not read as UTF-16 text of Japanese or ASCII either."""
    start = start[:4096]
    if b"\0" not in start or start.startswith(tuple(bom for bom, _ in _BOMS)) or _decodes(codecs.getincrementaldecoder("utf-8")(), start):
        return False
    return _share_of_text(start, _candidates(start, None)[0]) < 1 / 2


def _decodes(trial: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        trial.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _best(fitting: list[str], sample: bytes) -> str:
    """UTF-8 that decodes is UTF-8. Of the older ones, that which reads like Japanese (the others give half-width kana)."""
    if not fitting or fitting[0] not in _LEGACY:
        return fitting[0] if fitting else ""
    return max(fitting, key=lambda name: (_likeness(sample.decode(name, "ignore")), -_LEGACY.index(name)))


def _likeness(text: str) -> float:
    return len(_USUAL.findall(text)) - 4 * len(_ODD.findall(text))


def _least_damaged(sample: bytes, given: str | None) -> str:
    return min(_candidates(sample, given), key=lambda name: sample.decode(name, "replace").count("\ufffd"))
