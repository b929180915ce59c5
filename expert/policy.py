"""`policy.json`: the floor of the advice, by scenario and facts. What an answer must hold, and what it must not."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Pair = tuple[str, str]
"""(rule of the policy, id of an action or a desk)."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What the policy says of one case: pairs that its answer must hold, and pairs that it must not."""

    required: tuple[Pair, ...]
    forbidden: tuple[Pair, ...]


def advice(scenario: str, facts: Mapping[str, str], methods: Collection[str]) -> Floor:
    """Apply the policy to a scenario, its facts (`yes`, `no`, or missing) and the ways of payment.

    Ways of payment are not labelled: give those of the answer, as the outside scorer does.
    """
    case = {**facts, "scenario": scenario}
    must, must_not = ([r for r in _rules()[kind] if all(_holds(c, case, methods) for c in r["when"])] for kind in ("must", "must_not"))
    return Floor(_pairs(must, ("actions", "desks")), _pairs(must_not, ("actions",)))


def _pairs(rules: Iterable[Mapping[str, Any]], kinds: tuple[str, ...]) -> tuple[Pair, ...]:
    return tuple((rule["id"], entry) for rule in rules for kind in kinds for entry in rule[kind])


@cache
def _rules() -> dict[str, list[dict[str, Any]]]:
    return {**json.loads((Path(__file__).parent / "policy.json").read_text(encoding="utf-8"))}


def _holds(condition: str, case: Mapping[str, str], methods: Collection[str]) -> bool:
    if "~" in condition:
        return condition.split("~")[1] in methods
    name, wanted = condition.replace("!", "").split("=")
    return (case.get(name, "unknown") in wanted.split("|")) != ("!=" in condition)
