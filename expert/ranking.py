"""What follows from the scores of the scenarios, best first: how sure the first is, and which is the first in the end. Values in, values out."""

from expert.domain import OUT_OF_SCOPE, Score

CLOSE = 0.1
"""Score of the second scenario from which its advice is given as well."""
IN_DOUBT = 0.2
"""The same where the first is that nothing here is ours: then the case is for review, too."""
_SURELY_NOT_OURS = 0.9
ALIKE = 0.05
"""How far "nothing here is ours" must be ahead of another scenario to be first."""


def chosen(scores: tuple[Score, ...]) -> tuple[Score, ...]:
    """Where it is as good as equally likely that nothing here is ours, the other first: wrongly sent away costs more."""
    first, second = scores[:2]
    alike = first.scenario == OUT_OF_SCOPE and first.value - second.value < ALIKE
    return revised(scores, second.scenario) if alike else scores


def is_surely_not_ours(scores: tuple[Score, ...]) -> bool:
    """Whether nothing is to be asked back: a question about PINs only startles who wants a present."""
    return scores[0].scenario == OUT_OF_SCOPE and scores[0].value >= _SURELY_NOT_OURS


def two_are_close(scores: tuple[Score, ...]) -> bool:
    """Whether the advice of the second scenario is given as well."""
    first, second = scores[:2]
    return second.scenario != OUT_OF_SCOPE and second.value >= (IN_DOUBT if first.scenario == OUT_OF_SCOPE else CLOSE)


def out_of_scope_first(scores: tuple[Score, ...]) -> tuple[Score, ...]:
    """Half of the probability for out_of_scope, the rest as it was."""
    rest = [Score(s.scenario, s.value / 2) for s in scores if s.scenario != OUT_OF_SCOPE]
    return (Score(OUT_OF_SCOPE, 1 - sum(s.value for s in rest)), *rest)


def revised(scores: tuple[Score, ...], scenario: str) -> tuple[Score, ...]:
    """Scores with the revised scenario first: it trades its score with the former first one."""
    if scores[0].scenario == scenario:
        return scores
    first = scores[0]
    value = next((s.value for s in scores if s.scenario == scenario), 0.0)
    rest = [s for s in scores[1:] if s.scenario != scenario]
    return tuple(sorted([Score(scenario, first.value), Score(first.scenario, value), *rest], key=lambda s: -s.value))
