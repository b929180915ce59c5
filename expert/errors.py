"""Every error that kakekomi raises on purpose.

KakekomiError
├── InputError          the text, file or option that the user gave (exit code 2)
├── KnowledgeError      rules/ or corpus/ do not load; lists every fault at once (exit code 3)
├── EngineError         the rule engine is missing or failed (exit code 4)
└── EvaluationError     a labelled file is not usable (exit code 5)

Each message is Japanese, says what was wrong and what to do next.
"""

from collections.abc import Sequence


class KakekomiError(Exception):
    """Base of the tree; `exit_code` is what the command line returns for it."""

    exit_code = 1


class InputError(KakekomiError):
    """What the user gave cannot be used: a text, a file, an option."""

    exit_code = 2


class KnowledgeError(KakekomiError):
    """Faults found while loading knowledge, one line each (file:line: path: what)."""

    exit_code = 3

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        head = f"知識ファイルに誤りが{len(self.faults)}件あります。直してからもう一度実行してください。"
        super().__init__("\n".join([head, *self.faults]))


class EngineError(KakekomiError):
    """The rule engine did not take the rules or the facts."""

    exit_code = 4


class EvaluationError(KakekomiError):
    """Labelled examples that cannot be used, for training or for measuring."""

    exit_code = 5
