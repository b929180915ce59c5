"""`corpus/` -> labelled examples; every fault is reported at once, with file and line."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from expert.errors import EvaluationError

_KEYS = {"id", "text", "scenario", "accept", "facts", "unsure_facts", "second", "voice", "writer", "source"}
_SHOWN_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled complaint. `facts` holds only what is stated; `accept` other scenarios that are also right.

    `second` is the scenario that an independent second reader gave, `unsure_facts` names the facts on which the two readers differ.
    """

    id: str
    text: str
    scenario: str
    accept: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    unsure_facts: tuple[str, ...] = ()
    second: str = ""
    voice: Mapping[str, str] = field(default_factory=dict)
    writer: str = ""
    source: str = ""


def default_directory() -> Path:
    """`corpus/` inside an installed wheel, else that of the checkout; KAKEKOMI_CORPUS overrides."""
    if override := os.environ.get("KAKEKOMI_CORPUS"):
        return Path(override)
    packaged = Path(__file__).parent / "data" / "corpus"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "corpus"


def training_files(directory: Path | None = None) -> list[Path]:
    return sorted(((directory or default_directory()) / "train").glob("*.jsonl"))


def fingerprint(files: list[Path]) -> str:
    """Changes whenever a file's name or content does."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def load(files: list[Path], scenarios: Collection[str], facts: Collection[str]) -> list[Example]:
    """Read labelled JSONL files.

    Raises EvaluationError with file, line and allowed values for every line that is not a labelled example.
    """
    examples: list[Example] = []
    faults: list[str] = []
    for file in files:
        for number, line in _lines(file):
            try:
                examples.append(_example(json.loads(line), scenarios, facts))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                faults.append(f"{file.name}:{number}行目: {_reason(error)}")
    if faults:
        more = f"\n…ほか{len(faults) - _SHOWN_FAULTS}件" if len(faults) > _SHOWN_FAULTS else ""
        raise EvaluationError(f"ラベル付きの例に誤りが{len(faults)}件あります。\n" + "\n".join(faults[:_SHOWN_FAULTS]) + more)
    return examples


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise EvaluationError(f"{file} を開けません({error.strerror})。ファイルの名前と場所を確かめてください。") from error
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{file} はUTF-8ではありません。UTF-8のJSONLで保存し直してください。") from error
    # Only "\n" ends a line: JSON strings may hold U+2028 and other characters at which splitlines() would cut.
    yield from ((n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip())


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"JSONとして読めません({error.colno}文字目)。一行に一つの {{…}} を書いたJSONLにしてください"
    if isinstance(error, KeyError):
        return f"項目 {error} がありません"
    return str(error)


def _example(row: Any, scenarios: Collection[str], facts: Collection[str]) -> Example:
    if not isinstance(row, dict):
        raise ValueError('一行は {"id": …, "text": …, "scenario": …} の形にしてください')
    if unknown := set(row) - _KEYS:
        raise ValueError(f"知らない項目です: {'、'.join(sorted(unknown))}(使えるのは {'、'.join(sorted(_KEYS))})")
    labels = [row["scenario"], *(row.get("accept") or []), *filter(None, [row.get("second")])]
    for label in labels:
        if label not in scenarios:
            raise ValueError(f"場面「{label}」は使えません(使えるのは {'、'.join(scenarios)})")
    stated = row.get("facts") or {}
    for name, value in stated.items():
        if name not in facts or value not in ("yes", "no"):
            raise ValueError(f"事実「{name}={value}」は使えません(名前は {'、'.join(facts)}、値は yes か no)")
    if not isinstance(row["text"], str) or not row["text"].strip():
        raise ValueError("text が空です")
    return Example(
        id=str(row["id"]),
        text=row["text"],
        scenario=row["scenario"],
        accept=tuple(row.get("accept") or ()),
        facts=stated,
        unsure_facts=tuple(row.get("unsure_facts") or ()),
        second=row.get("second") or "",
        voice=row.get("voice") or {},
        writer=row.get("writer", ""),
        source=row.get("source", ""),
    )
