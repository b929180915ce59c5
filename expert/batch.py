"""Many complaints: JSONL in, JSONL out, in the order of the input. A line that fails is in the output with its error."""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expert import explanation
from expert.errors import InputError, KakekomiError
from expert.pipeline import Expert


@dataclass
class Summary:
    """`rows` is always `answered + failed`."""

    rows: int = 0
    answered: int = 0
    for_review: int = 0
    failed: int = 0


def run(expert: Expert, source: Path, output: Path) -> Summary:
    """Answer every line of `source`. The output appears under its name only when it is whole.

    Raises InputError if the input cannot be read or the output cannot be written.
    """
    summary = Summary()
    try:
        handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=output.name, suffix=".part")
    except OSError as error:
        raise InputError(f"{output.parent} に書けません({error.strerror})。書ける場所を -o で指定してください。") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            for answer in answers(expert, source, summary):
                out.write(answer + "\n")
        os.replace(temporary, output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return summary


def answers(expert: Expert, source: Path, summary: Summary) -> Iterator[str]:
    """One JSON object a line; `{"id", "error"}` for a line that cannot be answered."""
    encoder = explanation.Encoder()
    for number, line in _lines(source):
        summary.rows += 1
        row: dict[str, Any] = {}
        try:
            row = _row(line)
            answer = expert.ask(row["text"], id=row.get("id", number), questions=False)
        except KakekomiError as error:
            summary.failed += 1
            yield explanation.dumps({"id": row.get("id", number), "error": f"{number}行目: {error}"})
            continue
        summary.answered += 1
        summary.for_review += answer.needs_review
        yield encoder.encode(answer)


def _row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"JSONとして読めません({error.msg})") from error
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise InputError('{"id": …, "text": "…"} の形にしてください')
    if not isinstance(row.get("id", 0), str | int):
        raise InputError("id は文字か整数にしてください")
    return row


def _lines(source: Path) -> Iterator[tuple[int, str]]:
    try:
        with source.open(encoding="utf-8-sig", errors="replace", newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise InputError(f"{source} を開けません({error.strerror})。ファイルの名前と場所を確かめてください。") from error
