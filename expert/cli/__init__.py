"""The command line: arguments in, printed answer and exit code out; one module a command.

Exit codes: 0 answered, 1 some rows failed or an unexpected fault, 2 unusable input or option, 3 faulty knowledge, 4 rule engine,
5 unusable labelled file, 130 stopped.
"""

import os
import sys

from expert.cli import ask, batch, check, evaluate
from expert.cli.common import app
from expert.errors import KakekomiError

__all__ = ["app", "ask", "batch", "check", "evaluate", "main"]


def main() -> None:
    """Entry point of the `kakekomi` command: known errors become one Japanese sentence and an exit code."""
    _utf8()
    try:
        app()
    except KakekomiError as error:
        print(f"エラー: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("\n中止しました。", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _utf8() -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
