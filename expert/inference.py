"""The forward-chaining engine (durable_rules): a case in, firings out.

Two rule sets: `understanding` turns candidate scenario, facts and signs into states and, where a rule says so, another
scenario; `advice` turns scenario, facts, states and attributes into actions and desks. How durable_rules 2.0.28 really
behaves shapes this module: one engine and one session id, the state deleted after every case, one batch of
facts a stage, actions that only note that they fired, a lock, and nothing but enumerated values inside.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from expert.domain import Case, Firing
from expert.errors import EngineError
from expert.knowledge import KnowledgeBase
from expert.schema import Condition, RuleEntry

try:
    from durable import engine as durable_engine
except ImportError as error:  # the C extension was not built, or was built for another Python
    raise EngineError(
        f"規則エンジン(durable_rules)を読み込めません。Cコンパイラ(gcc)を入れてから「make clean && make ask」で入れ直してください。(原因: {error})"
    ) from error

_SID = "case"
_OPENING = "opening"
_LOWEST = 100_000


class _Host(durable_engine.Host):  # type: ignore[misc]
    """A host without durable's two timer threads: nothing here waits for time."""

    def _run(self) -> None:
        pass


UNKNOWN = ("unknown",)
"""`payment_method~unknown`: no way of payment is told."""


class Engine:
    """Holds the compiled rules. `infer` is safe to call from several threads (one at a time inside)."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._rules = knowledge.rules
        self._lock = threading.Lock()
        self._fired: list[str] = []
        self._declared: set[str] = set()
        self._host = _Host()
        self._negated = {stage: self._negated_facts(stage) for stage in ("understanding", "advice")}
        self._host.set_rulesets({stage: self._ruleset(stage) for stage in ("understanding", "advice")})

    def infer(self, case: Case) -> tuple[str, tuple[Firing, ...]]:
        """The scenario after revision (where it is settled only by rules that say so), and every rule that fired, in order.

        Raises EngineError if the engine reports a fault of its own.
        """
        with self._lock:
            known = self._known(case)
            early = self._run("understanding", [("candidate", case.scenario), *known, *self._unknown("understanding", case)])
            revised = [rule for rule in early if rule.revise and (rule.even_if_sure or not case.settled)][:1]
            scenario = (revised[0].revise if revised else None) or case.scenario
            states = [("state", s) for s in sorted(self._declared)]
            late = self._run("advice", [("scenario", scenario), *known, *self._unknown("advice", case), *states])
            kept = [rule for rule in early if not rule.revise or rule in revised]
            described = _describe(case, scenario, states)
            return scenario, tuple(_firing(rule, described) for rule in [*kept, *late])

    def fires(self, rule: RuleEntry, case: Case, states: tuple[str, ...] = ()) -> bool:
        """Whether one rule fires on a case whose scenario and states are taken as given (no revision): for `examples:`."""
        with self._lock:
            known = self._known(case)
            given = [("state", s) for s in states]
            if rule.stage == "understanding":
                return rule in self._run("understanding", [("candidate", case.scenario), *known, *self._unknown("understanding", case), *given])
            self._run("understanding", known)
            derived = [("state", s) for s in sorted(self._declared)]
            return rule in self._run("advice", [("scenario", case.scenario), *known, *self._unknown("advice", case), *derived, *given])

    def _known(self, case: Case) -> list[tuple[str, str]]:
        attributes = [("device", case.device), ("prefecture", case.prefecture)]
        return [
            *case.facts.items(),
            *(("payment_method", m) for m in case.payment_method or UNKNOWN),
            *(("sign", s) for s in case.signs),
            *((k, v) for k, v in attributes if v),
        ]

    def _negated_facts(self, stage: str) -> tuple[str, ...]:
        keys = {c.key for r in self._rules.values() if r.stage == stage for c in r.when if c.operator == "!="}
        return tuple(sorted(keys - {"scenario"}))

    def _unknown(self, stage: str, case: Case) -> list[tuple[str, str]]:
        """`court_document!=yes` must hold of a case that says nothing of it: such facts are stated to be unknown, so no rule needs `none(...)`."""
        return [(k, "unknown") for k in self._negated[stage] if k not in case.facts]

    def _run(self, stage: str, facts: list[tuple[str, str]]) -> list[RuleEntry]:
        self._fired.clear()
        if stage == "understanding":
            self._declared.clear()
        try:
            self._host.assert_facts(stage, [{"sid": _SID, "k": k, "v": v} for k, v in dict.fromkeys([(_OPENING, "case"), *facts])])
            state = self._host.get_state(stage, _SID)
        finally:
            self._host.delete_state(stage, _SID)
        if "exception" in state:
            raise EngineError(f"規則の実行中に誤りがありました: {state['exception']}")
        return [self._rules[rule] for rule in dict.fromkeys(self._fired)]

    def _ruleset(self, stage: str) -> dict[str, Any]:
        rules = [rule for rule in self._rules.values() if rule.stage == stage]
        compiled = {rule.id: self._compile(rule) for rule in rules}
        # A fact that no rule mentions makes durable raise and fire nothing: this rule mentions all and never completes.
        catch_all = [{"m_1": {"k": "never"}}, {"m_0": {"$ex": {"k": 1}}}]
        # Where no rule fires at all, delete_state crashes the process (2.0.28): one rule fires on the fact that opens every batch.
        opening = [{"m_0": {"k": _OPENING}}]
        return {
            **compiled,
            "~catch_all": {"all": catch_all, "pri": _LOWEST, "run": _nothing},
            "~opening": {"all": opening, "pri": _LOWEST - 1, "run": _nothing},
        }

    def _compile(self, rule: RuleEntry) -> dict[str, Any]:
        conditions = [{f"m_{i}": _pattern(c)} for i, c in enumerate(rule.when)]
        return {"all": conditions, "pri": _LOWEST - 2 - rule.salience, "run": self._note(rule)}

    def _note(self, rule: RuleEntry) -> Callable[[Any], None]:
        def run(closure: Any) -> None:
            self._fired.append(rule.id)
            for state in rule.declare:
                if state not in self._declared:
                    self._declared.add(state)
                    closure.assert_fact({"k": "state", "v": state})

        return run


def _nothing(_closure: Any) -> None:
    pass


def _pattern(condition: Condition) -> dict[str, Any]:
    negated = condition.operator == "!="
    tests = [{"$neq": {"v": v}} if negated else {"v": v} for v in condition.values]
    value = tests[0] if len(tests) == 1 else {"$and" if negated else "$or": tests}
    return {"$and": [{"k": condition.key}, value]}


def _describe(case: Case, scenario: str, states: list[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Condition key -> the values that a firing can rest on."""
    return {
        "candidate": (case.scenario,),
        "scenario": (scenario,),
        "state": tuple(s for _, s in states),
        "sign": case.signs,
        "payment_method": case.payment_method or UNKNOWN,
        "device": (case.device or "unknown",),
        "prefecture": (case.prefecture or "unknown",),
        **{f: (v,) for f, v in case.facts.items()},
    }


_PREFIX = {"candidate": "scenario", "scenario": "scenario", "state": "state", "sign": "sign"}
_ATTRIBUTES = ("payment_method", "device", "prefecture")


def _firing(rule: RuleEntry, described: Mapping[str, tuple[str, ...]]) -> Firing:
    on = tuple(text for c in rule.when for text in _ground(c, described))
    adds = [f"action:{a}" for a in rule.actions] + [f"desk:{d}" for d in rule.desks]
    adds += [f"state:{s}" for s in rule.declare] + ([f"scenario:{rule.revise}"] if rule.revise else [])
    return Firing(rule.id, rule.because, on, tuple(adds))


def _ground(condition: Condition, described: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    values = described.get(condition.key, ("unknown",))
    if condition.operator != "!=":
        values = tuple(v for v in values if v in condition.values)
    for value in values:
        if prefix := _PREFIX.get(condition.key):
            yield f"{prefix}:{value}"
        else:
            yield f"{'attribute' if condition.key in _ATTRIBUTES else 'fact'}:{condition.key}={value}"
