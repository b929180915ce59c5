"""The command line: arguments in, printed answer and exit code out; one module a command.

Exit codes: 0 answered, 1 some rows failed or an unexpected fault, 2 unusable input or option, 3 faulty knowledge, 4 rule engine,
5 unusable labelled file, 130 stopped.
"""

import os
import sys

import typer

from expert.cli import ask, batch, check, evaluate
from expert.cli.common import app
from expert.errors import KakekomiError

__all__ = ["app", "ask", "batch", "check", "evaluate", "main"]


def main() -> None:
    """Entry point of the `kakekomi` command: known errors become one Japanese sentence and an exit code."""
    _utf8()
    try:
        code = app(standalone_mode=False)  # typer would answer Ctrl-C and a closed pipe itself, in English
        if sys.stdout is not None:
            sys.stdout.flush()
    except KakekomiError as error:
        print(f"エラー: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        print("\n中止しました。", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's errors, which typer brings along under a name of its own
            raise
        if message := error.format_message():  # without any word the help was shown already
            print(f"エラー: 指定のしかたが違います({message})。--help で使い方が出ます。", file=sys.stderr)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _utf8() -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
