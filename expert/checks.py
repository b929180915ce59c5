"""Advice on knowledge that loads but could be better: what `kakekomi check` adds to loading."""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from expert import kana_kanji
from expert.domain import Case
from expert.errors import KnowledgeError
from expert.inference import Engine
from expert.knowledge import KnowledgeBase
from expert.patterns import LazyPattern
from expert.schema import LexiconEntry, RuleEntry, RuleExample

_STALE_DAYS = 365


@dataclass(frozen=True)
class Remark:
    """`error` fails the check, `warning` does not."""

    severity: Literal["error", "warning"]
    where: str
    text: str


def advise(knowledge: KnowledgeBase, today: datetime.date | None = None) -> list[Remark]:
    """All remarks, errors first."""
    remarks = [
        *_kana(knowledge),
        *_patterns(knowledge),
        *_examples(knowledge),
        *_never_fires(knowledge),
        *_unused(knowledge),
        *_stale(knowledge, today or datetime.date.today()),
    ]
    return sorted(remarks, key=lambda r: (r.severity, r.where))


def example_case(example: RuleExample) -> Case:
    """The case that an example of a rule describes."""
    given = dict(example.facts)
    lists = {k: _words(given.pop(k, ())) for k in ("payment_method", "sign", "state")}
    scenario = str(given.pop("candidate", given.pop("scenario", "out_of_scope")))
    device, prefecture = given.pop("device", None), given.pop("prefecture", None)
    return Case(
        scenario=scenario,
        facts={k: str(v) for k, v in given.items() if v != "unknown"},
        payment_method=lists["payment_method"],
        signs=lists["sign"],
        device=str(device) if device else None,
        prefecture=str(prefecture) if prefecture else None,
    )


def _words(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def fires(engine: Engine, rule: RuleEntry, example: RuleExample) -> bool:
    """Whether the rule fires on its example. States in the example are given, not derived, for rules that ask for them."""
    return engine.fires(rule, example_case(example), _words(example.facts.get("state", ())))


def _kana(knowledge: KnowledgeBase) -> Iterator[Remark]:
    try:
        if knowledge.kana:
            kana_kanji.read(knowledge.kana)
    except KnowledgeError as error:
        yield from (Remark("error", *fault.split(": ", 1)) for fault in error.faults)


def _patterns(knowledge: KnowledgeBase) -> Iterator[Remark]:
    for fact in knowledge.facts.values():
        for concept in fact.concepts:
            yield from _faulty(knowledge.where[f"facts/{fact.id}"], concept)
    for section in ("signs", "methods", "devices", "elapsed", "prefectures"):
        for concept in getattr(knowledge, section).values():
            yield from _faulty(knowledge.where[f"{section}/{concept.id}"], concept)
    for cue in knowledge.cues:
        yield from (Remark("error", knowledge.where[f"cues/{cue.id}"], fault) for fault in _regex_faults(cue.patterns))


def _faulty(where: str, concept: LexiconEntry) -> Iterator[Remark]:
    regexes = (*concept.things, *concept.phrases, *concept.endings, *concept.not_after, *concept.not_with)
    yield from (Remark("error", where, f"{concept.id}: {fault}") for fault in _regex_faults(regexes))


def _regex_faults(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        try:
            LazyPattern(pattern).compiled  # noqa: B018
        except KnowledgeError as error:
            yield error.faults[0]


def _examples(knowledge: KnowledgeBase) -> Iterator[Remark]:
    engine = Engine(knowledge)
    for rule in knowledge.rules.values():
        for example in rule.examples:
            if fires(engine, rule, example) != example.fires:
                expected = "働くはずが働きません" if example.fires else "働かないはずが働きます"
                yield Remark("error", knowledge.where[f"rules/{rule.id}"], f"規則 {rule.id} は例 {example.facts} で{expected}")


def _never_fires(knowledge: KnowledgeBase) -> Iterator[Remark]:
    for rule in knowledge.rules.values():
        by_key: dict[str, set[str]] = {}
        for condition in rule.when:
            if condition.operator == "=" and condition.key not in ("state", "sign", "no_sign"):
                values = set(condition.values)
                by_key[condition.key] = by_key.get(condition.key, values) & values
            elif condition.operator == "!=" and condition.key in by_key:
                by_key[condition.key] -= set(condition.values)
        if empty := [key for key, values in by_key.items() if not values]:
            yield Remark("error", knowledge.where[f"rules/{rule.id}"], f"規則 {rule.id} は「{empty[0]}」の条件が食い違うので、決して働きません")


def _unused(knowledge: KnowledgeBase) -> Iterator[Remark]:
    conditions = [c for rule in knowledge.rules.values() for c in rule.when]
    chosen = {a for rule in knowledge.rules.values() for a in rule.actions}
    sent = {d for rule in knowledge.rules.values() for d in rule.desks}
    asked_states = {v for c in conditions if c.key == "state" for v in c.values}
    yield from _missing(knowledge, "facts", knowledge.facts, {c.key for c in conditions}, "この事実を使う規則がありません")
    yield from _missing(knowledge, "actions", knowledge.actions, chosen, "この動作を選ぶ規則がありません")
    yield from _missing(knowledge, "desks", knowledge.desks, sent, "この窓口を案内する規則がありません")
    for rule in knowledge.rules.values():
        for state in set(rule.declare) - asked_states:
            yield Remark("warning", knowledge.where[f"rules/{rule.id}"], f"状態「{state}」を使う規則がありません")


def _missing(knowledge: KnowledgeBase, section: str, ids: Iterable[str], used: set[str], text: str) -> Iterator[Remark]:
    for entry in ids:
        if entry not in used:
            yield Remark("warning", knowledge.where[f"{section}/{entry}"], f"{entry}: {text}")


def _stale(knowledge: KnowledgeBase, today: datetime.date) -> Iterator[Remark]:
    sections = ("actions", "desks", "police_desks", "rules")
    for section in sections:
        for key, entry in getattr(knowledge, section).items():
            age = (today - datetime.date.fromisoformat(entry.checked)).days
            if age > _STALE_DAYS:
                yield Remark("warning", knowledge.where[f"{section}/{key}"], f"{key}: {entry.checked} から1年以上確かめていません")
