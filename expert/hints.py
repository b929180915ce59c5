"""What the concepts that a text mentions, and what the rules read of its facts, say of the scenario and of all facts beside the model.

The model reads the text alone, so that an edit of the rules needs no training. What the rules find is a hint, weighed beside the model
with weights from a file.
"""

import csv
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np

from expert.domain import Fact, Mention

Array = np.ndarray[Any, Any]

WEIGHTS = Path(__file__).with_name("hints.tsv")
"""For each hint (a row: `concept:money_sent`, `paid=yes` as the rules read it) what it adds to the log odds of facts and scenarios.

Fitted on the training corpus beside the values of a model that has not read the writer (`python eval/recognition.py` writes it). What has
no row adds nothing: a new concept speaks for its fact through the rules alone.
"""
CONCEPT = "concept:"


def found_in(mentions: Iterable[Mention], facts: Iterable[Fact]) -> list[str]:
    """The hints in a text, each once: how often and with which cues a concept is mentioned does not matter."""
    return [*dict.fromkeys([CONCEPT + mention.concept for mention in mentions]), *(f"{fact.id}={fact.value}" for fact in facts)]


class Hints:
    """The weights as a table. Values in, values out; safe for several threads."""

    def __init__(self, scenarios: Sequence[str], facts: Sequence[str]) -> None:
        """In this order the weights stand; a scenario or fact without a column gets none."""
        with WEIGHTS.open(encoding="utf-8") as file:
            rows = {row.pop("hint"): row for row in csv.DictReader(file, delimiter="\t")}
        columns = [*scenarios, *facts]
        self._number = {name: i for i, name in enumerate(rows, start=1)}
        self._weights = np.array([[0.0] * len(columns), *([float(row.get(column) or 0) for column in columns] for row in rows.values())])
        self._scenarios = len(scenarios)

    def weigh(self, found: Sequence[Iterable[str]]) -> tuple[Array, Array]:
        """What the hints in each text add to the log odds of the scenarios [texts, scenarios] and of the facts [texts, facts]."""
        known = self._number
        numbers = [[0, *[known[name] for name in names if name in known]] for names in found]
        starts = [0, *accumulate(map(len, numbers))][:-1]
        sums = np.add.reduceat(self._weights[list(chain.from_iterable(numbers))], starts, axis=0)
        return sums[:, : self._scenarios], sums[:, self._scenarios :]
