"""`kakekomi batch`: a file of complaints in, a file of answers out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from expert.cli.common import app, load_expert
from expert.errors import InputError


@app.command()
def batch(
    source: Annotated[Path, typer.Argument(help='入力(JSONL: 一行に {"id": …, "text": …})')],
    output: Annotated[Path, typer.Option("-o", "--output", help="出力(JSONL: 一行に一つの答え、入力の順)")],
    *,
    force: Annotated[bool, typer.Option("--force", help="出力があれば書き直す")] = False,
) -> None:
    """たくさんの相談に、順に答える。読めない行も error をつけて出力に残す。"""
    from expert import batch as batches

    if output.exists() and not force:
        raise InputError(f"{output} はもうあります。別の名前にするか、--force をつけてください。")
    summary = batches.run(load_expert(), source, output)
    print(f"{summary.rows}件: 答え{summary.answered}件(要確認{summary.for_review}件)、失敗{summary.failed}件", file=sys.stderr)
    if summary.failed:
        raise typer.Exit(1)
