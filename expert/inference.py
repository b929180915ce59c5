"""The forward-chaining engine (durable_rules): a case in, firings out.

Two rule sets: `understanding` turns candidate scenario, facts and signs into states and, where a rule says so, another
scenario; `advice` turns scenario, facts, states and attributes into actions and desks. How durable_rules 2.0.28 really
behaves shapes this module: one engine and one session id, the state deleted after every case, one batch of
facts a stage, actions that only note that they fired, a lock, and nothing but enumerated values inside.

A stage is told only what its rules for that scenario ask for, and remembers by it which of them fired: cases that differ in nothing else are one.
Where a case is new as a whole, the engine need not run either if each rule has met before what it asks for: nothing else decides whether it fires.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

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
_KEYS = {"understanding": "candidate", "advice": "scenario"}
"""The rule sets, and the key by which each is told the scenario."""
_NO_SCENARIO = ""
_REMEMBERED = 20_000
_REMEMBERED_BY_GROUP = 1_000
"""Outcomes of a stage, and of a group of rules: bounds on memory, not settings to tune."""

_Fact = tuple[str, str]


class _Host(durable_engine.Host):  # type: ignore[misc]
    """A host without durable's two timer threads: nothing here waits for time."""

    def _run(self) -> None:
        pass


UNKNOWN = ("unknown",)
"""`payment_method~unknown`: no way of payment is told."""


class _Outcome(NamedTuple):
    """Of one stage: the rules that fired, in order, and the states that they declared."""

    rules: tuple[RuleEntry, ...]
    firings: tuple[Firing, ...]
    states: tuple[_Fact, ...]


class _Interest(NamedTuple):
    """What rules ask for: facts, and the keys of which some value is denied (`!=`)."""

    told: frozenset[_Fact]
    denied: frozenset[str]

    def of(self, facts: frozenset[_Fact]) -> frozenset[_Fact]:
        """Those of some facts that the rules can see."""
        seen = facts & self.told
        return seen.union([fact for fact in facts if fact[0] in self.denied]) if self.denied else seen


class _Group(NamedTuple):
    """Rules that ask for the same, and by what they saw of a case: the ids of those that fired."""

    interest: _Interest
    rules: frozenset[str]
    needed: frozenset[_Fact]
    """Without one of these none of them can fire; empty where that cannot be told."""
    fired: dict[frozenset[_Fact], frozenset[str]]

    def outcome(self, facts: frozenset[_Fact]) -> frozenset[str] | None:
        """The ids of those that fire, where that is known."""
        return frozenset() if self.needed and self.needed.isdisjoint(facts) else self.fired.get(self.interest.of(facts))


class _Stage(NamedTuple):
    """The rules of one stage that can fire in one scenario, and what they ask for together."""

    interest: _Interest
    groups: tuple[_Group, ...]
    absent: tuple[tuple[_Fact, _Fact], ...]
    """Signs that are missed where they are not there, each beside what is told then."""


class Engine:
    """Holds the compiled rules. `infer` is safe to call from several threads (one at a time inside)."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._rules = knowledge.rules
        self._places = {rule.id: (-rule.salience, i) for i, rule in enumerate(knowledge.rules.values())}
        self._lock = threading.Lock()
        self._fired: list[str] = []
        self._declared: set[str] = set()
        self.runs = 0
        """How often durable_rules itself was asked, a stage at a time (for measurements)."""
        self._host = _Host()
        self._host.set_rulesets({stage: self._ruleset(stage) for stage in _KEYS})
        self._adds = {rule.id: _adds(rule) for rule in knowledge.rules.values()}
        self._stages: dict[tuple[str, str], _Stage] = {}
        self._outcomes: dict[tuple[object, ...], _Outcome] = {}

    def forget(self) -> None:
        """Drop what is remembered of earlier cases (for measurements)."""
        self._outcomes.clear()
        for stage in self._stages.values():
            for group in stage.groups:
                group.fired.clear()

    def infer(self, case: Case) -> tuple[str, tuple[Firing, ...]]:
        """The scenario after revision (where it is settled only by rules that say so), and every rule that fired, in order.

        Of each stage the more salient come first, then those that stand first in the files. Raises EngineError if the engine reports a
        fault of its own.
        """
        known = _known(case)
        early = self._outcome("understanding", case.scenario, known)
        revised = [rule for rule in early.rules if rule.revise and (rule.even_if_sure or not case.settled)][:1]
        scenario = (revised[0].revise if revised else None) or case.scenario
        late = self._outcome("advice", scenario, [*known, *early.states])
        kept = [firing for rule, firing in zip(early.rules, early.firings, strict=True) if not rule.revise or rule in revised]
        return scenario, (*kept, *late.firings)

    def fires(self, rule: RuleEntry, case: Case, states: tuple[str, ...] = ()) -> bool:
        """Whether one rule fires on a case whose scenario and states are taken as given (no revision): for `examples:`."""
        known, given = _known(case), [("state", s) for s in states]
        if rule.stage == "understanding":
            return rule in self._outcome(rule.stage, case.scenario, [*known, *given]).rules
        early = self._outcome("understanding", _NO_SCENARIO, known)
        return rule in self._outcome(rule.stage, case.scenario, [*known, *early.states, *given]).rules

    def _outcome(self, stage: str, scenario: str, known: Iterable[_Fact]) -> _Outcome:
        (told, denied), groups, absent = self._stage(stage, scenario)
        known = set(known)
        asked = {fact for fact in known if fact in told or fact[0] in denied}
        asked.update([without for sign, without in absent if sign not in known])
        # `court_document!=yes` must hold of a case that says nothing of it: stated to be unknown, so that no rule needs `none(...)`
        asked.update([(key, "unknown") for key in denied.difference([key for key, _ in asked])])
        facts = frozenset(asked)
        outcome = self._outcomes.get((stage, scenario, facts))
        if outcome is None:
            with self._lock:
                outcome = self._describe(stage, scenario, facts, self._fire(stage, scenario, facts, groups))
                if len(self._outcomes) >= _REMEMBERED:
                    self._outcomes.clear()
                self._outcomes[stage, scenario, facts] = outcome
        return outcome

    def _fire(self, stage: str, scenario: str, facts: frozenset[_Fact], groups: Iterable[_Group]) -> set[str]:
        """The ids of the rules that fire: the engine is asked where some group of rules has not seen the like before."""
        remembered = [group.outcome(facts) for group in groups]
        if None not in remembered:
            return set().union(*[ids for ids in remembered if ids])
        fired = self._run(stage, [(_KEYS[stage], scenario), *sorted(facts)])
        for group in groups:
            if len(group.fired) >= _REMEMBERED_BY_GROUP:
                group.fired.clear()
            group.fired[group.interest.of(facts)] = group.rules & fired
        return fired

    def _describe(self, stage: str, scenario: str, facts: frozenset[_Fact], fired: Iterable[str]) -> _Outcome:
        values: dict[str, list[str]] = {_KEYS[stage]: [scenario]}
        for key, value in sorted(facts):
            values.setdefault(key, []).append(value)
        rules = tuple([self._rules[rule] for rule in sorted(fired, key=self._places.__getitem__)])
        states = dict.fromkeys([("state", state) for rule in rules for state in rule.declare])
        values["state"] = [*values.get("state", []), *[state for _, state in states]]
        firings = tuple([Firing(rule.id, rule.because, _on(rule, values), self._adds[rule.id]) for rule in rules])
        return _Outcome(rules, firings, tuple(states))

    def _stage(self, stage: str, scenario: str) -> _Stage:
        found = self._stages.get((stage, scenario))
        if found is None:
            found = self._stages[stage, scenario] = self._stage_of(stage, scenario)
        return found

    def _stage_of(self, stage: str, scenario: str) -> _Stage:
        rules = [rule for rule in self._rules.values() if rule.stage == stage and _may_fire(rule, _KEYS[stage], scenario)]
        chained = _chained(rules)
        by_interest = defaultdict[_Interest, list[str]](list)
        for rule in rules:
            by_interest[_interest(chained if rule in chained else [rule])].append(rule.id)
        groups = tuple([_Group(interest, frozenset(ids), self._needed(ids), {}) for interest, ids in by_interest.items()])
        missed = dict.fromkeys([c.values[0] for rule in rules for c in rule.when if c.key == "no_sign"])
        return _Stage(_interest(rules), groups, tuple([(("sign", v), ("no_sign", v)) for v in missed]))

    def _needed(self, rules: Iterable[str]) -> frozenset[_Fact]:
        """Of each rule what one of its conditions asks for: a sign, where it asks for one, for most signs are seldom there."""
        told = [[c for c in self._rules[rule].when if c.operator != "!=" and c.key not in _NOT_TOLD] for rule in rules]
        if not all(told):
            return frozenset()
        return frozenset([(c.key, v) for c in [min(conditions, key=lambda c: c.key != "sign") for conditions in told] for v in c.values])

    def _run(self, stage: str, facts: list[_Fact]) -> set[str]:
        self.runs += 1
        self._fired.clear()
        self._declared.clear()
        try:
            self._host.assert_facts(stage, [{"sid": _SID, "k": k, "v": v} for k, v in [(_OPENING, "case"), *facts]])
            state = self._host.get_state(stage, _SID)
        finally:
            self._host.delete_state(stage, _SID)
        if "exception" in state:
            raise EngineError(f"規則の実行中に誤りがありました: {state['exception']}")
        return set(self._fired)

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


def _known(case: Case) -> list[_Fact]:
    attributes = [("device", case.device), ("prefecture", case.prefecture)]
    return [
        *case.facts.items(),
        *(("payment_method", m) for m in case.payment_method or UNKNOWN),
        *(("sign", s) for s in case.signs),
        *((k, v) for k, v in attributes if v),
    ]


def _interest(rules: Iterable[RuleEntry]) -> _Interest:
    """What some rules ask for, beside the scenario."""
    conditions = [c for rule in rules for c in rule.when if c.key not in _KEYS.values()]
    told = frozenset([(c.key, value) for c in conditions if c.operator != "!=" for value in c.values])
    return _Interest(told, frozenset([c.key for c in conditions if c.operator == "!="]))


def _chained(rules: Iterable[RuleEntry]) -> list[RuleEntry]:
    """Rules of a stage of which some declare states for which others ask: without all of these nobody can tell whether one of them fires."""
    declare = [rule for rule in rules if rule.declare]
    ask = [rule for rule in rules if any(c.key == "state" for c in rule.when)]
    return [*declare, *ask] if declare and ask else []


def _may_fire(rule: RuleEntry, key: str, scenario: str) -> bool:
    return all((scenario in c.values) == (c.operator != "!=") for c in rule.when if c.key == key)


def _nothing(_closure: Any) -> None:
    pass


def _pattern(condition: Condition) -> dict[str, Any]:
    negated = condition.operator == "!="
    tests = [{"$neq": {"v": v}} if negated else {"v": v} for v in condition.values]
    value = tests[0] if len(tests) == 1 else {"$and" if negated else "$or": tests}
    return {"$and": [{"k": condition.key}, value]}


_PREFIX = {"candidate": "scenario:", "scenario": "scenario:", "state": "state:", "sign": "sign:", "no_sign": "no_sign:"}
_ATTRIBUTES = ("payment_method", "device", "prefecture")
_NOT_TOLD = ("scenario", "candidate", "state", "no_sign")  # conditions on something else than what the case itself says


def _adds(rule: RuleEntry) -> tuple[str, ...]:
    adds = [f"action:{a}" for a in rule.actions] + [f"desk:{d}" for d in rule.desks]
    return (*adds, *(f"state:{s}" for s in rule.declare), *([f"scenario:{rule.revise}"] if rule.revise else []))


def _on(rule: RuleEntry, known: Mapping[str, list[str]]) -> tuple[str, ...]:
    """What a rule rests on in a case: the values that meet its conditions."""
    out = []
    for condition in rule.when:
        prefix = _PREFIX.get(condition.key) or f"{'attribute' if condition.key in _ATTRIBUTES else 'fact'}:{condition.key}="
        out += [prefix + v for v in known.get(condition.key, ()) if condition.operator == "!=" or v in condition.values]
    return tuple(out)
