"""The rules of the knowledge base in CLIPS, for `speed.py`: the same conditions, facts, stages and saliences as in `expert/inference.py`."""

from typing import Any

import clips

from expert.domain import Case
from expert.inference import UNKNOWN
from expert.knowledge import KnowledgeBase
from expert.schema import Condition, RuleEntry

_TEMPLATE = "(deftemplate kv (slot k) (slot v))"


class Clips:
    """One environment a stage (the engine of the project has one rule set a stage and scenario: durable_rules pays for each rule it holds)."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._rules = knowledge.rules
        self._fired: list[str] = []
        self._environments = {stage: self._build(stage) for stage in ("understanding", "advice")}
        keys = {stage: {c.key for r in self._of(stage) for c in r.when if c.operator == "!="} for stage in self._environments}
        self._negated = {stage: sorted(found - {"scenario"}) for stage, found in keys.items()}

    def infer(self, case: Case) -> list[str]:
        """Ids of the rules that fired, in no particular order; of several revisions, the first holds."""
        known = self._known(case)
        early, states = self._run("understanding", [("candidate", case.scenario), *known])
        revised = [r for r in early if self._rules[r].revise][:1]
        scenario = (self._rules[revised[0]].revise if revised else None) or case.scenario
        late, _ = self._run("advice", [("scenario", scenario), *known, *(("state", s) for s in states)])
        return [*(r for r in early if not self._rules[r].revise or r in revised), *late]

    def _known(self, case: Case) -> list[tuple[str, str]]:
        several = [("payment_method", m) for m in case.payment_method or UNKNOWN] + [("sign", s) for s in case.signs]
        return [*case.facts.items(), *several, *((k, v) for k, v in (("device", case.device), ("prefecture", case.prefecture)) if v)]

    def _run(self, stage: str, facts: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
        """Facts go in as one string and firings come out by a callback. Tried too: `assert_fact` slows down from case to case (its facts
        are never collected), and reading facts back costs a Python object each."""
        environment = self._environments[stage]
        environment.reset()
        self._fired.clear()
        told = {key for key, _ in facts}
        given = dict.fromkeys([*facts, *((k, "unknown") for k in self._negated[stage] if k not in told)])
        environment.load_facts(" ".join(f"(kv (k {k}) (v {v}))" for k, v in given))
        environment.run()
        fired = list(dict.fromkeys(self._fired))
        return fired, [s for rule in fired for s in self._rules[rule].declare]

    def _of(self, stage: str) -> list[RuleEntry]:
        return [r for r in self._rules.values() if r.stage == stage]

    def _build(self, stage: str) -> Any:
        environment = clips.Environment()
        environment.define_function(lambda rule: self._fired.append(str(rule)), "note")
        for text in (_TEMPLATE, *map(_rule, self._of(stage))):
            environment.build(text)
        next(r for r in environment.routers() if "error" in r.name).deactivate()  # else Python is asked about every character that is read
        return environment


def _rule(rule: RuleEntry) -> str:
    conditions = " ".join(map(_condition, rule.when))
    states = " ".join(f"(assert (kv (k state) (v {s})))" for s in rule.declare)
    return f"(defrule {rule.id} (declare (salience {rule.salience})) {conditions} => (note {rule.id}) {states})"


def _condition(condition: Condition) -> str:
    if condition.key == "no_sign":
        return f"(not (kv (k sign) (v {condition.values[0]})))"
    negated = condition.operator == "!="
    values = "&".join(f"~{v}" for v in condition.values) if negated else "|".join(condition.values)
    return f"(kv (k {condition.key}) (v {values}))"
