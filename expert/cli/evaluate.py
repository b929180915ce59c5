"""`kakekomi eval`: a labelled file in, figures out."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from expert.cli.common import app, load_expert
from expert.errors import InputError


@app.command("eval")
def evaluate(
    files: Annotated[list[Path], typer.Argument(help="ラベル付きの例(JSONL)。いくつでも書ける。フォルダなら、その中の *.jsonl")],
    *,
    errors: Annotated[int, typer.Option(help="間違えた例を、文とともにN件まで出す")] = 0,
    html: Annotated[Path | None, typer.Option(help="図入りの報告(HTML、1ファイル)の書き出し先")] = None,
    texts: Annotated[bool, typer.Option("--texts", help="HTMLに、間違えた例の文も入れる")] = False,
    json_: Annotated[Path | None, typer.Option("--json", help="すべての値と1件ごとの結果(JSON)の書き出し先")] = None,
    compare: Annotated[Path | None, typer.Option(help="前に --json で書いたファイルと比べる")] = None,
    limit: Annotated[int | None, typer.Option(help="初めのN件だけを使う")] = None,
    force: Annotated[bool, typer.Option("--force", help="書き出し先があれば書き直す")] = False,
) -> None:
    """ラベル付きの例で精度をはかる。文は --errors か --texts をつけたときだけ出す。"""
    from expert import comparison, corpus, evaluation, explanation, report

    _check(errors, limit, [p for p in (html, json_) if p], [*_expanded(files), *([compare] if compare else [])], force)
    if texts and not html:
        raise InputError("--texts は --html と一緒に使ってください(画面に文を出すのは --errors N です)。")
    old = comparison.read(compare) if compare else []
    expert = load_expert()
    examples = corpus.load(_expanded(files), expert.knowledge.scenarios, expert.knowledge.facts)[:limit]
    with _progress(len(examples)) as advance:
        outcomes = evaluation.run(expert, examples, advance)
    result = evaluation.evaluate(outcomes, expert, "、".join(f.name for f in files))
    compared = comparison.compare(result, old, compare.name) if compare else None
    shown = [*(report.comparison_tables(compared) if compared else []), *report.tables(result, expert.knowledge)]
    if html:
        _write(html, report.page(result, shown, evaluation.misses(expert, examples, outcomes, len(outcomes)) if texts else []))
    if json_:
        _write(json_, explanation.dumps(comparison.to_json(result, compared)) + "\n")
    print(report.headline(result))
    _print(report.lines(shown, evaluation.misses(expert, examples, outcomes, errors)))


def _check(errors: int, limit: int | None, outputs: Sequence[Path], inputs: Sequence[Path], force: bool) -> None:
    """Refuse what cannot work before minutes are spent on it."""
    from expert.batch import writers

    if errors < 0 or (limit is not None and limit < 1):
        raise InputError("--errors は0以上、--limit は1以上の数にしてください。")
    writers.check_places(outputs, inputs)
    for output in outputs:
        if output.exists() and not force:
            raise InputError(f"{output} はもうあります。別の名前にするか、--force をつけてください。")


def _expanded(files: Sequence[Path]) -> list[Path]:
    return [found for file in files for found in (sorted(file.glob("*.jsonl")) if file.is_dir() else [file])]


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{file} に書けません({error.strerror})。書ける場所を指定してください。") from error
    print(f"{file} に書きました。", file=sys.stderr)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal; elsewhere a line at every quarter."""
    if not sys.stderr.isatty():
        yield _quarters(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("答えています"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def _quarters(total: int) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done * 4 // total > (done - 1) * 4 // total:
            print(f"{done}/{total}件", file=sys.stderr)

    return advance


def _print(lines: Iterator[str]) -> None:
    if not sys.stdout.isatty():
        for line in lines:
            print(line)
        return
    from rich.console import Console
    from rich.text import Text

    console: Any = Console(highlight=False)
    for line in lines:
        console.print(Text(line, style="bold" if line.startswith("■") else ""), soft_wrap=True)
