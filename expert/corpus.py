"""`corpus/` -> labelled examples; every fault is reported at once, with file and line."""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from expert.errors import EvaluationError

_TEXT, _LIST, _MAP = (str, "文字"), (list, "[…] の並び"), (dict, "{…} の組")
_KEYS: Mapping[str, tuple[type, str]] = {
    "text": _TEXT,
    "scenario": _TEXT,
    "accept": _LIST,
    "facts": _MAP,
    "unsure_facts": _LIST,
    "open_facts": _LIST,
    "second": _TEXT,
    "voice": _MAP,
    "writer": _TEXT,
    "source": _TEXT,
}
"""What a line may hold beside its id, and of what kind: for Python and in words."""
_SHOWN_FAULTS = 20
_SENTENCES, _STORIES = "danger*.tsv", "danger_stories*.jsonl"


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled complaint. `facts` holds only what is stated; `accept` other scenarios that are also right.

    `second` is the scenario that an independent second reader gave, `unsure_facts` names the facts on which readers differ: neither trained on
    nor measured. `open_facts` are those of them that only a third reader saw otherwise or called open.
    """

    id: str
    text: str
    scenario: str
    accept: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    unsure_facts: tuple[str, ...] = ()
    open_facts: tuple[str, ...] = ()
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
    """The labelled files that are trained on, by name; those about danger (`danger_files`) apart."""
    found = (directory or default_directory()) / "train"
    return sorted({*found.glob("*.jsonl")} - {*found.glob(_STORIES)})


def danger_files(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Beside labelled files, those about danger: single sentences, and labelled stories that teach nothing else (half of them speak of it)."""
    directories = dict.fromkeys(file.parent for file in files)
    sentences, stories = ([file for directory in directories for file in sorted(directory.glob(kind))] for kind in (_SENTENCES, _STORIES))
    return sentences, stories


def sentences(files: list[Path]) -> list[tuple[str, bool]]:
    """Sentences, and whether a life is in danger in them. Raises EvaluationError with file and line for what is no yes or no with a sentence."""
    rows: list[tuple[str, bool]] = []
    for file in files:
        for number, line in _lines(file):
            value, _, rest = line.partition("\t")
            sentence = rest.partition("\t")[0].strip()
            if value not in ("yes", "no") or not sentence:
                raise EvaluationError(f"{file.name}:{number}行目: 「yes か no、文、書いた人」を、タブで区切って書いてください。")
            rows.append((sentence, value == "yes"))
    return rows


def fingerprint(files: list[Path]) -> str:
    """Changes whenever a file's name or content does."""
    digest = hashlib.sha256()
    for file in files:
        for part in (file.name.encode(), b"\0", file.read_bytes(), b"\0"):
            digest.update(part)
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
                examples.append(_example(_parsed(line), scenarios, facts))
            except KeyError as missing:
                faults.append(f"{file.name}:{number}行目: 項目 {missing} がありません")
            except ValueError as error:
                faults.append(f"{file.name}:{number}行目: {error}")
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


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"JSONとして読めません({error.colno}文字目)。一行に一つの {{…}} を書いたJSONLにしてください") from error
    except (ValueError, RecursionError) as error:
        raise ValueError("JSONとして読めません(桁の多すぎる数か、深すぎる括弧があります)") from error


def _example(row: Any, scenarios: Collection[str], facts: Collection[str]) -> Example:
    if not isinstance(row, dict):
        raise ValueError('一行は {"id": …, "text": …, "scenario": …} の形にしてください')
    if unknown := set(row) - {"id", *_KEYS}:
        raise ValueError(f"知らない項目です: {'、'.join(sorted(unknown))}(使えるのは {'、'.join(sorted(['id', *_KEYS]))})")
    for name, (kind, words) in _KEYS.items():
        if row.get(name) is not None and not isinstance(row[name], kind):
            raise ValueError(f"{name} は{words}にしてください")
    _check_labels([row["scenario"], *(row.get("accept") or []), *filter(None, [row.get("second")])], scenarios)
    stated = row.get("facts") or {}
    for name, value in stated.items():
        if name not in facts or value not in ("yes", "no"):
            raise ValueError(f"事実「{name}={value}」は使えません(名前は {'、'.join(facts)}、値は yes か no)")
    for key in ("unsure_facts", "open_facts"):
        for name in row.get(key) or ():
            if not isinstance(name, str) or name not in facts:
                raise ValueError(f"{key} の「{name}」は使えません(使えるのは {'、'.join(facts)})")
    open_facts = tuple(row.get("open_facts") or ())
    if not (row["text"] or "").strip():
        raise ValueError("text が空です")
    return Example(
        id=str(row["id"]),
        text=row["text"],
        scenario=row["scenario"],
        accept=tuple(row.get("accept") or ()),
        facts=stated,
        unsure_facts=tuple(dict.fromkeys([*(row.get("unsure_facts") or ()), *open_facts])),
        open_facts=open_facts,
        second=row.get("second") or "",
        voice=row.get("voice") or {},
        writer=row.get("writer") or "",
        source=row.get("source") or "",
    )


def _check_labels(labels: Iterable[Any], scenarios: Collection[str]) -> None:
    for label in labels:
        if not isinstance(label, str) or label not in scenarios:
            raise ValueError(f"場面「{label}」は使えません(使えるのは {'、'.join(scenarios)})")
