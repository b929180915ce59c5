"""`kakekomi batch`: files of complaints in, a file of answers out."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from expert.cli.common import app, load_expert
from expert.errors import InputError, KnowledgeError

if TYPE_CHECKING:
    from expert.batch.tally import Tally

_LOG_SECONDS = 10.0
_SHOWN = 5


@app.command()
def batch(
    sources: Annotated[list[Path], typer.Argument(help="入力(CSV、TSV、XLSX、JSONL、Parquet。いくつでも、フォルダでも。- は標準入力)")],
    output: Annotated[Path, typer.Option("-o", "--output", help="出力。名前の終わりで形式が決まる(.jsonl .csv .tsv .xlsx .parquet)")],
    *,
    text_column: Annotated[str | None, typer.Option(help="相談の文がある列(なければ推測)")] = None,
    id_column: Annotated[str | None, typer.Option(help="IDの列(なければ推測、それもなければ行番号)")] = None,
    date_column: Annotated[str | None, typer.Option(help="日付の列(報告の月別に使う)")] = None,
    encoding: Annotated[str | None, typer.Option(help="入力の文字コード(utf-8、utf-16、cp932、euc_jp など。なければ推測)")] = None,
    sheet: Annotated[str | None, typer.Option(help="Excelのシートの名前(なければ最初)")] = None,
    no_header: Annotated[bool, typer.Option("--no-header", help="見出しの行がない")] = False,
    output_encoding: Annotated[str | None, typer.Option(help="出力するCSVの文字コード(なければUTF-8、BOMつき)")] = None,
    mask: Annotated[bool, typer.Option("--mask", help="電話番号、メールアドレス、カード番号、口座番号、住所を伏せて書く")] = False,
    workers: Annotated[int, typer.Option(help="使うプロセスの数")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="途中で止まったところから続ける")] = False,
    force: Annotated[bool, typer.Option("--force", help="出力があれば書き直す。途中の作業も捨てる(--resume と一緒なら続ける)")] = False,
    report: Annotated[Path | None, typer.Option(help="集計の図(HTML、1ファイル)の書き出し先")] = None,
    samples: Annotated[int, typer.Option(help="集計に、例をN件(文も)入れる")] = 0,
    chunk_rows: Annotated[int, typer.Option(help="一度に処理する行数", hidden=True)] = 1_000,
    engine: Annotated[str, typer.Option(help="local か spark")] = "local",
    master: Annotated[str | None, typer.Option(help="Sparkのマスター(local[4]、spark://… など)")] = None,
) -> None:
    """たくさんの相談に、入力の順に答える。答えられない行も、error をつけて出力に残す。"""
    from expert.batch.columns import Wanted
    from expert.batch.runner import Listener, Request, run
    from expert.batch.sources import Options

    reading = Options(Wanted(text_column, id_column, date_column), encoding, sheet, not no_header, chunk_rows)
    request = Request(tuple(sources), output, reading, output_encoding, mask, workers, resume, force, report, samples)
    if engine == "spark":
        _on_spark(request, master)
        return
    if engine != "local" or master:
        raise InputError("--engine は local か spark です。--master は --engine spark と一緒に使ってください。")
    with _stoppable(output), _progress() as (start, advance):
        tally = run(load_expert, request, Listener(_say, start, advance))
    _summarize(tally)
    if tally.failed:
        raise typer.Exit(1)


def _say(note: str) -> None:
    print(f"・{note}", file=sys.stderr)


def _on_spark(request: Any, master: str | None) -> None:
    from expert import spark

    with _stoppable(request.output):
        failed = spark.run(request, master, _say)
    if failed:
        raise typer.Exit(1)


@contextmanager
def _stoppable(output: Path) -> Iterator[None]:
    """Ctrl-C and a polite kill end the process at once: what is on the disk is whole at every moment, and workers follow their parent.

    An exception would not do: the rule engine swallows exceptions that are raised inside its actions.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        shown = "\x1b[?25h" if sys.stderr.isatty() else ""
        again = shlex.join(["kakekomi", *sys.argv[1:], *([] if "--resume" in sys.argv else ["--resume"])])
        os.write(2, f"{shown}\n中止しました。{output} はまだできていません。続きは:\n  {again}\n".encode())
        os._exit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


Progress = tuple[Callable[[int, int], None], Callable[[int], None]]


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar with rate and time left on a terminal; elsewhere a line every ten seconds."""
    if not sys.stderr.isatty():
        log = _Log()
        yield log.start, log.advance
        return
    from rich import progress
    from rich.console import Console

    rate = progress.TextColumn("{task.fields[rate]}件/秒")
    columns = (progress.TextColumn("答えています"), progress.BarColumn(), progress.MofNCompleteColumn(), rate, progress.TimeRemainingColumn())
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rate="–")
        log = _Log()

        def start(total: int, done: int) -> None:
            log.start(total, done)
            bar.update(task, total=total, completed=log.done)

        def advance(rows: int) -> None:
            log.count(rows)
            bar.update(task, advance=rows, rate=f"{log.rate:,.0f}")

        yield start, advance


class _Log:
    """Rows done, their rate since the start of this run, and lines about it for a log."""

    def __init__(self) -> None:
        self.total = self.done = self.skipped = 0
        self.began = self.said = time.monotonic()

    @property
    def rate(self) -> float:
        return (self.done - self.skipped) / max(time.monotonic() - self.began, 1e-9)

    def start(self, total: int, done: int) -> None:
        if self.done == self.skipped:
            self.began = time.monotonic()
        self.done += done - self.skipped
        self.total, self.skipped = total, done

    def count(self, rows: int) -> None:
        self.done += rows

    def advance(self, rows: int) -> None:
        self.count(rows)
        if time.monotonic() - self.said < _LOG_SECONDS:
            return
        self.said = time.monotonic()
        left = (self.total - self.done) / max(self.rate, 1e-9)
        print(f"{self.done:,}/{self.total:,}件({self.rate:,.0f}件/秒、残り約{_duration(left)})", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f}秒" if seconds < 90 else f"{minutes}分" if minutes < 90 else f"{minutes / 60:.1f}時間"


def _titles() -> tuple[dict[str, str], dict[str, str]]:
    """Of scenarios and desks; none where rules/ has been broken since the start: the work is done all the same."""
    from expert import knowledge

    try:
        kb = knowledge.load()
    except KnowledgeError:
        return {}, {}
    return {s.id: s.title for s in kb.scenarios.values()}, {d.id: d.name for d in kb.desks.values()}


def _summarize(tally: "Tally") -> None:
    """Counts on standard error: standard output is nobody's here."""
    scenarios, desks = _titles()
    print(f"{tally.rows}件: 答え{tally.answered}件(要確認{tally.for_review}件)、失敗{tally.failed}件", file=sys.stderr)
    for label, kind, names in (("場面", "scenario", scenarios), ("窓口", "desk", desks)):
        counts = tally.of(kind).most_common()
        if counts:
            more = f" ほか{len(counts) - _SHOWN}種" if len(counts) > _SHOWN else ""
            print(f"{label}: {'、'.join(f'{names.get(key, key)} {n:,}件' for key, n in counts[:_SHOWN])}{more}", file=sys.stderr)
