"""kakekomi (駆け込み): an expert system for people in trouble on the internet.

from expert import Expert
answer = Expert.load().ask("3万円振り込んでしまいました")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expert.domain import Answer
    from expert.errors import KakekomiError
    from expert.pipeline import Expert

__all__ = ["Answer", "Expert", "KakekomiError"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `--help` and errors are instant."""
    from importlib import import_module

    homes = {"Expert": "expert.pipeline", "Answer": "expert.domain", "KakekomiError": "expert.errors"}
    if name not in homes:
        raise AttributeError(f"module 'expert' has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)
