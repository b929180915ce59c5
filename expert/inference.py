"""The forward-chaining engine: a case in, firings out.

Two stages: `understanding` turns candidate scenario, facts and signs into states and, where a rule says so, another
scenario; `advice` turns scenario, facts, states and attributes into actions and desks.

A stage is told only what its rules for that scenario ask for, and remembers by it which of them fired: cases that differ in nothing else are one.
Where a case is new as a whole, the engine need not run either if each rule has met before what it asks for: nothing else decides whether it fires.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from expert.domain import Case, Firing
from expert.knowledge import KnowledgeBase
from expert.rulesets import Rulesets
from expert.schema import RuleEntry

_KEYS = {"understanding": "candidate", "advice": "scenario"}
"""The stages, and the key by which each is told the scenario."""
_NO_SCENARIO = ""
_REMEMBERED = 20_000
_REMEMBERED_BY_GROUP = 1_000
"""Outcomes of a stage, and of a group of rules: bounds on memory, not settings to tune."""

_Fact = tuple[str, str]
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

    def of(self, facts: Iterable[_Fact]) -> frozenset[_Fact]:
        """Those of some facts that the rules can see."""
        told, denied = self.told, self.denied
        return frozenset([fact for fact in facts if fact in told or fact[0] in denied]) if denied else told.intersection(facts)


class _Group(NamedTuple):
    """Rules that ask for the same, and by what they saw of a case: those that fired."""

    interest: _Interest
    rules: frozenset[str]
    fired: dict[frozenset[_Fact], tuple[Firing, ...]]


class _Stage(NamedTuple):
    """The rules of one stage that can fire in one scenario, and what they ask for together."""

    ruleset: str
    rules: tuple[RuleEntry, ...]
    interest: _Interest
    groups: tuple[_Group, ...]
    by_need: Mapping[_Fact, Sequence[int]]
    """Places of the groups of which no rule fires without one of some facts."""
    always: frozenset[int]
    """Places of the others."""
    absent: tuple[tuple[_Fact, _Fact], ...]
    """Signs that are missed where they are not there, each beside what is told then."""

    def concerned(self, facts: frozenset[_Fact]) -> list[_Group]:
        """The groups of which some rule may fire."""
        by_need = self.by_need
        return [self.groups[i] for i in self.always.union(*[by_need[fact] for fact in facts if fact in by_need])]


class Engine:
    """Holds the rules; those of a scenario are compiled when first needed. `infer` is safe to call from several threads (one at a time inside)."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._rules = knowledge.rules
        self._places = {rule.id: (-rule.salience, i) for i, rule in enumerate(knowledge.rules.values())}
        self._lock = threading.Lock()
        self._rulesets = Rulesets()
        self._adds = {rule.id: _adds(rule) for rule in knowledge.rules.values()}
        self._stages: dict[tuple[str, str], _Stage] = {}
        self._outcomes: dict[tuple[str, str, frozenset[_Fact]], _Outcome] = {}

    @property
    def runs(self) -> int:
        """How often durable_rules itself was asked, a stage at a time (for measurements)."""
        return self._rulesets.runs

    def forget(self) -> None:
        """Drop what is remembered of earlier cases (for measurements, while nobody infers)."""
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

    def _outcome(self, name: str, scenario: str, known: Sequence[_Fact]) -> _Outcome:
        stage = self._stage(name, scenario)
        # `court_document!=yes` must hold of a case that says nothing of it: stated to be unknown, so that no rule needs `none(...)`
        unsaid = stage.interest.denied.difference([key for key, _ in known])
        facts = stage.interest.of([*known, *[(key, "unknown") for key in unsaid]])
        outcome = self._outcomes.get((name, scenario, facts))
        if outcome is None:
            with self._lock:
                firings = sorted(self._fire(stage, (_KEYS[name], scenario), facts), key=lambda firing: self._places[firing.rule])
                fired = tuple([self._rules[firing.rule] for firing in firings])
                outcome = _Outcome(fired, tuple(firings), _states(fired))
                if len(self._outcomes) >= _REMEMBERED:
                    self._outcomes.clear()
                self._outcomes[name, scenario, facts] = outcome
        return outcome

    def _fire(self, stage: _Stage, scenario: _Fact, facts: frozenset[_Fact]) -> list[Firing]:
        """What fires, in no order: the engine is asked where some group of rules has not seen the like before."""
        concerned = stage.concerned(facts)
        seen = [group.interest.of(facts) for group in concerned]
        remembered = [group.fired.get(one) for group, one in zip(concerned, seen, strict=True)]
        if None not in remembered:
            return [firing for firings in remembered if firings for firing in firings]
        absent = [without for sign, without in stage.absent if sign not in facts]
        told = [scenario, *sorted([*facts, *absent])]
        fired = self._described(self._rulesets.fired(stage.ruleset, stage.rules, told), told)
        for group, one in zip(concerned, seen, strict=True):
            if len(group.fired) >= _REMEMBERED_BY_GROUP:
                group.fired.clear()
            group.fired[one] = tuple([firing for firing in fired if firing.rule in group.rules])
        return fired

    def _described(self, fired: Iterable[str], facts: Iterable[_Fact]) -> list[Firing]:
        rules = [self._rules[rule] for rule in sorted(fired, key=self._places.__getitem__)]  # states are shown in the order of their rules
        values: dict[str, list[str]] = {}
        for key, value in [*facts, *_states(rules)]:
            values.setdefault(key, []).append(value)
        return [Firing(rule.id, rule.because, _on(rule, values), self._adds[rule.id]) for rule in rules]

    def _stage(self, name: str, scenario: str) -> _Stage:
        return self._stages.get((name, scenario)) or self._stages.setdefault((name, scenario), self._stage_of(name, scenario))

    def _stage_of(self, name: str, scenario: str) -> _Stage:
        rules = tuple([rule for rule in self._rules.values() if rule.stage == name and _may_fire(rule, _KEYS[name], scenario)])
        chained = _chained(rules)
        by_interest = defaultdict[_Interest, list[str]](list)
        for rule in rules:
            by_interest[_interest(chained if rule in chained else [rule])].append(rule.id)
        by_need, always = defaultdict[_Fact, list[int]](list), set[int]()
        for i, ids in enumerate(by_interest.values()):
            needed = self._needed(ids)
            always.update([] if needed else [i])
            for fact in needed:
                by_need[fact].append(i)
        groups = tuple([_Group(interest, frozenset(ids), {}) for interest, ids in by_interest.items()])
        missed = dict.fromkeys([c.values[0] for rule in rules for c in rule.when if c.key == "no_sign"])
        absent = tuple([(("sign", v), ("no_sign", v)) for v in missed])
        return _Stage(f"{name} {scenario}", rules, _interest(rules), groups, dict(by_need), frozenset(always), absent)

    def _needed(self, rules: Iterable[str]) -> frozenset[_Fact]:
        """Of each rule what one of its conditions asks for: a sign, where it asks for one, for most signs are seldom there."""
        told = [[c for c in self._rules[rule].when if c.operator != "!=" and c.key not in _NOT_TOLD] for rule in rules]
        if not all(told):
            return frozenset()
        return frozenset([(c.key, v) for c in [min(conditions, key=lambda c: c.key != "sign") for conditions in told] for v in c.values])


def _known(case: Case) -> list[_Fact]:
    attributes = [("device", case.device), ("prefecture", case.prefecture)]
    return [
        *case.facts.items(),
        *(("payment_method", m) for m in case.payment_method or UNKNOWN),
        *(("sign", s) for s in case.signs),
        *((k, v) for k, v in attributes if v),
    ]


def _states(rules: Iterable[RuleEntry]) -> tuple[_Fact, ...]:
    """What some rules declare, each once."""
    return tuple(dict.fromkeys([("state", state) for rule in rules for state in rule.declare]))


def _interest(rules: Iterable[RuleEntry]) -> _Interest:
    """What some rules ask for, beside the scenario."""
    conditions = [c for rule in rules for c in rule.when if c.key not in _KEYS.values()]
    # who asks that a sign be absent sees whether it is there
    told = frozenset([("sign" if c.key == "no_sign" else c.key, value) for c in conditions if c.operator != "!=" for value in c.values])
    return _Interest(told, frozenset([c.key for c in conditions if c.operator == "!="]))


def _chained(rules: Iterable[RuleEntry]) -> list[RuleEntry]:
    """Rules of a stage of which some declare states for which others ask: without all of these nobody can tell whether one of them fires."""
    declare = [rule for rule in rules if rule.declare]
    ask = [rule for rule in rules if any(c.key == "state" for c in rule.when)]
    return [*declare, *ask] if declare and ask else []


def _may_fire(rule: RuleEntry, key: str, scenario: str) -> bool:
    return all((scenario in c.values) == (c.operator != "!=") for c in rule.when if c.key == key)


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
