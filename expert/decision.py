"""Firings -> what to do, in the order in which a person should act."""

from collections.abc import Container, Iterable, Sequence
from functools import lru_cache, partial

from expert.domain import OUT_OF_SCOPE, URGENCIES, AdvisedAction, AdvisedDesk, Decision, Firing, Urgency
from expert.knowledge import KnowledgeBase
from expert.schema import DeskEntry, PoliceDeskEntry, Source

_FIRST_ACTION, _FIRST_DESK = "call_110", "police_110"
_REMEMBERED = 5_000
_DONE = "(お話では、もうなさったとのことです。まだの分があれば、続けてください)"


class Adviser:
    """Knows the actions and desks of the rules; what follows from the same rules is made once. Safe for several threads."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._knowledge = knowledge
        self._reported = frozenset(sign for action in knowledge.actions.values() for sign in action.done)
        self.forget()

    def forget(self) -> None:
        """Drop what is remembered of earlier cases (for measurements)."""
        self._advice = lru_cache(_REMEMBERED)(self._advice_of)
        self._action = lru_cache(_REMEMBERED)(partial(_action, self._knowledge))
        self._desk = lru_cache(_REMEMBERED)(partial(_desk, self._knowledge))

    def decide(self, scenario: str, firings: Sequence[Firing], prefecture: str | None = None, signs: Iterable[str] = ()) -> Decision:
        """Collect actions and desks, each with the rules that chose it.

        Order: 110 before everything, then what must never be done, then now, today, soon; inside each, the rank of the entry. What a sign says
        is done stays in its place and says so: the person may have done half of it, or in vain.
        """
        advice = self._advice(scenario, tuple([f.rule for f in firings]), prefecture, self._reported.intersection(signs))
        return advice._replace(trace=tuple(firings))

    def _advice_of(self, scenario: str, rules: Iterable[str], prefecture: str | None, signs: Container[str]) -> Decision:
        """A decision without its trace."""
        entries = self._knowledge.actions
        fired = [self._knowledge.rules[rule] for rule in rules]
        actions = [self._action(a, by, any(sign in signs for sign in entries[a].done)) for a, by in _chosen([(r.id, r.actions) for r in fired])]
        desks = [self._desk(d, by, prefecture) for d, by in _chosen([(r.id, r.desks) for r in fired])]
        return _ordered(scenario, actions, desks, (), self._knowledge)


def _ordered(scenario: str, actions: list[AdvisedAction], desks: list[AdvisedDesk], trace: tuple[Firing, ...], knowledge: KnowledgeBase) -> Decision:
    def place(action: AdvisedAction) -> tuple[bool, int, bool, int]:
        return action.id != _FIRST_ACTION, URGENCIES.index(action.urgency), action.done, knowledge.actions[action.id].rank

    by_rank = sorted(desks, key=lambda d: (d.id != _FIRST_DESK, knowledge.desks[d.id].rank))
    return Decision(scenario, tuple(sorted(actions, key=place)), tuple(by_rank), trace)


_ONLY_IF_SURE = ("ignore_claim", "close_browser", "call_110", "stop_before_sending", "factory_reset")
"""Right for one scenario and costly in another: never taken over from the second possibility."""
_AGAINST = {"close_browser": "do_not_power_off", "do_not_contact_them": "send_cancel_notice"}
"""What the first possibility asks for, and what of the second would say the opposite: restarting, writing to whoever sent a bill."""
_ONLY_IF_OURS = ("stop_card",)
"""Not taken over either where the first possibility is that nothing here is ours."""


def with_second(first: Decision, second: Decision, knowledge: KnowledgeBase) -> Decision:
    """Advice where a second scenario is not far off: that of the first, what the second adds that can do no harm in the first, and of what
    both ask for the more urgent. A question is answered only where both would answer it so.
    """
    entries, others = knowledge.actions, {a.id: a for a in second.actions}
    had = {a.id for a in first.actions} | {d.id for d in first.desks}
    first = first._replace(actions=tuple(a for a in first.actions if a.id in others or not entries[a.id].answers))
    left_out = {*_ONLY_IF_SURE, *(_ONLY_IF_OURS if first.scenario == OUT_OF_SCOPE else ()), *(_AGAINST[i] for i in _AGAINST if i in had)}
    shared = {a.id: _sooner(a, others[a.id]) for a in first.actions if a.id in others}
    added = [a for a in second.actions if a.id not in {*had, *left_out} and not entries[a.id].answers]
    by = {r for a in added for r in a.rules}
    desks = [d for d in second.desks if d.id not in (*had, _FIRST_DESK) and by & set(d.rules)]
    by.update(r for rules in (*(a.rules for a in shared.values()), *(d.rules for d in desks)) for r in rules)
    fired = {f.rule for f in first.trace}
    trace = (*first.trace, *(f for f in second.trace if f.rule in by - fired))
    actions = [*(shared.get(a.id, a) for a in first.actions), *added]
    return _ordered(first.scenario, actions, [*first.desks, *desks], trace, knowledge)


def without_answers(decision: Decision, knowledge: KnowledgeBase) -> Decision:
    """For a case that may be another one: what to do still helps, but no question is answered."""
    kept = tuple(a for a in decision.actions if not knowledge.actions[a.id].answers)
    return decision if len(kept) == len(decision.actions) else decision._replace(actions=kept)


def _sooner(one: AdvisedAction, other: AdvisedAction) -> AdvisedAction:
    """The same action, as urgent as the more urgent of two rules; by the rules of both where the second is."""
    if URGENCIES.index(other.urgency) >= URGENCIES.index(one.urgency) or "never" in (one.urgency, other.urgency):
        return one
    return one._replace(urgency=other.urgency, rules=tuple(dict.fromkeys([*one.rules, *other.rules])))


def _chosen(fired: Iterable[tuple[str, Iterable[str]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Each entry with the rules that chose it."""
    chosen: dict[str, list[str]] = {}
    for rule, entries in fired:
        for entry in entries:
            chosen.setdefault(entry, []).append(rule)
    return [(entry, tuple(rules)) for entry, rules in chosen.items()]


def _action(knowledge: KnowledgeBase, action: str, rules: tuple[str, ...], done: bool) -> AdvisedAction:
    entry = knowledge.actions[action]
    why = knowledge.rules[rules[0]].because + entry.why if entry.id == _FIRST_ACTION else entry.why  # each who is told to ring 110 has another reason
    return AdvisedAction(
        id=entry.id,
        urgency=_urgency(entry.urgency, [knowledge.rules[rule].urgency for rule in rules]),
        text=entry.text,
        because=why + _DONE if done else why,
        rules=rules,
        source=_source(entry.sources),
        checked=entry.checked,
        confidence=entry.confidence,
        done=done,
    )


def _urgency(own: Urgency, overrides: Iterable[Urgency | None]) -> Urgency:
    """A rule may set another urgency; of several, the most urgent holds. What must never be done stays so."""
    if own == "never":
        return own
    return min((u or own for u in overrides), key=URGENCIES.index)


def _desk(knowledge: KnowledgeBase, desk: str, rules: tuple[str, ...], prefecture: str | None) -> AdvisedDesk:
    entry = knowledge.desks[desk]
    local = knowledge.police_desks.get(prefecture or "") if entry.id == "police_cyber" else None
    if local and local.phone:
        return _local_police(entry, local, rules)
    return AdvisedDesk(
        id=entry.id,
        name=entry.name,
        phone=entry.phones[0].number if entry.phones else None,
        url=entry.url,
        hours=entry.hours,
        how=entry.how,
        because=entry.why,
        rules=rules,
        source=_source(entry.sources),
        checked=entry.checked,
        confidence=entry.confidence,
    )


def _local_police(entry: DeskEntry, local: PoliceDeskEntry, rules: tuple[str, ...]) -> AdvisedDesk:
    unsure = f"番号は古い資料によります。つながらないときは {local.fallback_phone} へ。" if local.confidence == "low" else None
    return AdvisedDesk(
        id=entry.id,
        name=f"{local.police} {local.department or 'サイバー犯罪相談窓口'}",
        phone=local.phone,
        url=local.url or entry.url,
        hours=local.hours or entry.hours,
        how=unsure or entry.how,
        because=entry.why,
        rules=rules,
        source=_source(local.sources),
        checked=local.checked,
        confidence=local.confidence,
    )


def _source(sources: Sequence[Source]) -> str:
    first = sources[0]
    return f"{first.url}({first.page_date})" if first.page_date else first.url
