"""durable_rules behind one door: rules and facts in, the ids of the rules that fired out.

How durable_rules 2.0.28 really behaves shapes this module: one engine and one session id, the state deleted after every case, one batch of
facts a case, actions that only note that they fired, and nothing but enumerated values inside. A case costs by the rules of its rule set,
whether they have to do with it or not: so each scenario has its own, made when it is first needed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from expert.errors import EngineError
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
SETTLED = frozenset(("scenario", "candidate"))
"""Conditions that hold of every rule of a set."""


class _Host(durable_engine.Host):  # type: ignore[misc]
    """A host without durable's two timer threads: nothing here waits for time."""

    def _run(self) -> None:
        pass


class Rulesets:
    """Rule sets by name. Not safe for several threads at a time."""

    def __init__(self) -> None:
        self.runs = 0
        """How often durable_rules itself was asked (for measurements)."""
        self._host = _Host()
        self._names = set[str]()
        self._fired: list[str] = []
        self._declared: set[str] = set()

    def fired(self, name: str, rules: Iterable[RuleEntry], facts: Sequence[tuple[str, str]]) -> set[str]:
        """The ids of the rules that fire on some facts, each a key and a value.

        `rules` are always the same for a name, and those of one scenario: what they ask of it holds. Raises EngineError if the engine reports
        a fault of its own.
        """
        if name not in self._names:
            self._host.set_rulesets({name: self._compiled(rules)})
            self._names.add(name)
        self.runs += 1
        self._fired.clear()
        self._declared.clear()
        try:
            self._host.assert_facts(name, [{"sid": _SID, "k": k, "v": v} for k, v in [(_OPENING, "case"), *facts]])
            state = self._host.get_state(name, _SID)
        finally:
            self._host.delete_state(name, _SID)
        if "exception" in state:
            raise EngineError(f"規則の実行中に誤りがありました: {state['exception']}")
        return set(self._fired)

    def _compiled(self, rules: Iterable[RuleEntry]) -> dict[str, Any]:
        # A fact that no rule mentions makes durable raise and fire nothing: this rule mentions all and never completes.
        catch_all = [{"m_1": {"k": "never"}}, {"m_0": {"$ex": {"k": 1}}}]
        # Where no rule fires at all, delete_state crashes the process (2.0.28): one rule fires on the fact that opens every batch.
        opening = [{"m_0": {"k": _OPENING}}]
        return {
            **{rule.id: self._rule(rule) for rule in rules},
            "~catch_all": {"all": catch_all, "pri": _LOWEST, "run": _nothing},
            "~opening": {"all": opening, "pri": _LOWEST - 1, "run": _nothing},
        }

    def _rule(self, rule: RuleEntry) -> dict[str, Any]:
        # The set is that of a scenario, so its condition holds. Left in, each list of scenarios would be a pattern that one fact meets, and
        # durable (2.0.28) does not bear many: with 63 lists a set worked, with 72 memory was overwritten, 150 it refuses (error 107).
        patterns = [_pattern(c) for c in rule.when if c.key not in SETTLED] or [{"k": _OPENING}]
        conditions = [{f"m_{i}": pattern} for i, pattern in enumerate(patterns)]
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
