"""The floor of the advice (expert/policy.json) holds for every scenario and every combination of facts."""

import itertools
import json
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from expert import knowledge
from expert.decision import Adviser
from expert.domain import Case
from expert.inference import Engine

from .conftest import ROOT

POLICY = json.loads((ROOT / "expert" / "policy.json").read_text(encoding="utf-8"))
METHODS = ("bank_transfer", "credit_card", "prepaid", "convenience_store", "qr_payment", "crypto", "cash", "carrier_billing")


class Walker:
    """An engine and its knowledge, for one process."""

    def __init__(self) -> None:
        known = knowledge.load()
        self.engine, self.adviser = Engine(known), Adviser(known)

    def faults(self, case: Case) -> Iterator[str]:
        scenario, firings = self.engine.infer(case)
        decision = self.adviser.decide(scenario, firings)
        actions, desks = [a.id for a in decision.actions], [d.id for d in decision.desks]
        for rule in POLICY["must"]:
            if applies(rule, scenario, case):
                missing = [x for x in rule["actions"] if x not in actions] + [x for x in rule["desks"] if x not in desks]
                if missing:
                    yield f"{rule['id']}: {scenario} {dict(case.facts)} {case.payment_method} lacks {missing}"
        for rule in POLICY["must_not"]:
            if applies(rule, scenario, case) and (wrong := [x for x in rule["actions"] if x in actions]):
                yield f"{rule['id']}: {scenario} {dict(case.facts)} holds {wrong}"
        for rule in POLICY["order"]:
            if applies(rule, scenario, case) and (actions[:1], desks[:1]) != ([rule["first_action"]], [rule["first_desk"]]):
                yield f"{rule['id']}: {scenario} {dict(case.facts)} begins with {actions[:1]} {desks[:1]}"


def applies(rule: dict[str, Any], scenario: str, case: Case) -> bool:
    return all(holds(condition, scenario, case) for condition in rule["when"])


def holds(condition: str, scenario: str, case: Case) -> bool:
    if "~" in condition:
        return condition.split("~")[1] in case.payment_method
    name, wanted = condition.replace("!", "").split("=")
    value = scenario if name == "scenario" else case.facts.get(name, "unknown")
    return (value in wanted.split("|")) != ("!=" in condition)


def combinations(size: int) -> Iterator[dict[str, str]]:
    facts = list(knowledge.load().facts)
    for names in itertools.combinations(facts, size):
        for values in itertools.product(("yes", "no"), repeat=size):
            yield dict(zip(names, values, strict=True))


def walk(cases: Iterable[Case]) -> list[str]:
    walker = Walker()
    return list(itertools.islice((fault for case in cases for fault in walker.faults(case)), 10))


def on_two_cores(cases: list[Case]) -> list[str]:
    with ProcessPoolExecutor(2) as pool:
        return [fault for faults in pool.map(walk, [cases[::2], cases[1::2]]) for fault in faults]


def test_alone_with_every_way_of_payment_and_in_pairs() -> None:
    scenarios = list(knowledge.load().scenarios)
    facts = [f for size in (0, 1, 2) for f in combinations(size)]
    cases = [Case(s, f) for s in scenarios for f in facts]
    cases += [Case(s, {"paid": v}, (m,)) for s in scenarios for v in ("yes", "no") for m in METHODS]
    cases += [case._replace(settled=True) for case in cases]
    assert on_two_cores(cases) == []


def test_a_revised_scenario_takes_nothing_away() -> None:
    """What revises by signs, as each rule's own examples have them, with every fact beside it: a card that was typed in is still stopped."""
    cases = []
    for rule in knowledge.load().rules.values():
        for example in (e for e in rule.examples if rule.revise and e.fires):
            given = dict(example.facts)
            scenario, signs, methods = (given.pop(name, ()) for name in ("candidate", "sign", "payment_method"))
            stated = {name: value for name, value in given.items() if value in ("yes", "no")}
            for more in combinations(1):
                cases += [Case(str(scenario), {**stated, **more}, tuple(methods), tuple(signs), settled=settled) for settled in (True, False)]
    assert len(cases) > 1000
    assert walk(cases) == []


@pytest.mark.slow
def test_in_triples() -> None:
    scenarios = list(knowledge.load().scenarios)
    assert on_two_cores([Case(s, f) for s in scenarios for f in combinations(3)]) == []


@pytest.mark.slow
def test_in_100_000_random_states() -> None:
    loaded = knowledge.load()
    rnd = random.Random(20261124)
    signs = list(loaded.signs)
    cases = [
        Case(
            rnd.choice(list(loaded.scenarios)),
            {f: rnd.choice(("yes", "no")) for f in loaded.facts if rnd.random() < 0.4},
            tuple(rnd.sample(METHODS, rnd.choice((0, 0, 1, 2)))),
            tuple(rnd.sample(signs, rnd.choice((0, 0, 1, 3)))),
            rnd.choice((None, "pc", "smartphone")),
            settled=rnd.random() < 0.5,
        )
        for _ in range(100_000)
    ]
    assert on_two_cores(cases) == []
