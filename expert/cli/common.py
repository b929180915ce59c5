"""What every command shares."""

import sys
from typing import Any

import typer

app = typer.Typer(
    help="駆け込み: ネットのトラブルを、ふだんの言葉で相談する", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def load_expert() -> Any:
    """The expert, with a word to the user while it trains."""
    from expert.pipeline import Expert

    return Expert.load(on_training=lambda: print("はじめての準備をしています(例文から学習します。30秒ほどお待ちください)…", file=sys.stderr))
