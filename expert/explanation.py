"""An answer in words: the published JSON object, and the page that a person reads."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from expert.domain import OUT_OF_SCOPE, URGENCIES, AdvisedAction, AdvisedDesk, Answer, Decision, Fact
from expert.knowledge import KnowledgeBase

EMERGENCY = "call_110"
LISTENER = "talk_to_listener"
"""To somebody who says that nothing happened and wants to be heard, no other trouble is named as possible."""
CHOICE = "どちらに近いか"
"""How `Answer.decider` begins where two scenarios are to be told apart (else it says why nothing could be read)."""
NOT_OURS = "ここで扱う、ネットの請求や詐欺、乗っ取りなどの困りごとではないようです。違うときは、起きたことをもう少しくわしく書いてください。"
HEADINGS = {
    "never": "絶対にしないこと",
    "now": "いますぐすること",
    "today": "今日中にすること",
    "soon": "落ち着いたらすること",
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_REMEMBERED = 5_000
_READABLE = json.JSONEncoder(ensure_ascii=False)
"""Kept: `json.dumps` with an option makes a new encoder at each call."""
UNSURE = {"low": "(確かな出典が見つかっていません。窓口でも確かめてください)", "medium": "", "high": ""}


def to_json(answer: Answer) -> dict[str, Any]:
    """The object of the published schema (`expert/answer.schema.json`), ready for `json.dumps`."""
    return {
        **_head(answer),
        "facts": {f.id: _fact(f) for f in answer.facts},
        "attributes": attributes_json(answer),
        **decision_json(answer),
        "questions": _questions(answer),
        "versions": dict(answer.versions),
    }


def _head(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "scenario": answer.scenario,
        "confidence": round(answer.confidence, 4),
        "candidates": [{"scenario": s.scenario, "score": round(s.value, 4)} for s in answer.candidates],
        "needs_review": answer.needs_review,
        **({"decider": answer.decider} if answer.decider else {}),
    }


def _questions(answer: Answer) -> list[dict[str, Any]]:
    return [{"fact": q.fact, "text": q.text, "changes": list(q.changes)} for q in answer.questions]


def decision_json(answer: Answer) -> dict[str, Any]:
    """Actions, desks and trace: the part that depends on the case alone."""
    return {
        "actions": [_entry(a, ("id", "urgency", "text", "because", "rules", "source", "checked", "confidence")) for a in answer.actions],
        "desks": [
            _entry(d, ("id", "name", "phone", "url", "hours", "how", "because", "rules", "source", "checked", "confidence")) for d in answer.desks
        ],
        "trace": [{"rule": f.rule, "because": f.because, "from": list(f.on), "adds": list(f.adds)} for f in answer.decision.trace],
    }


class Encoder:
    """Answers as JSON lines. What depends on the decision alone is encoded once: in a batch most decisions recur."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Decision, str]] = {}

    def encode(self, answer: Answer) -> str:
        """The same text as `dumps(to_json(answer))`."""
        full = dict(_head(answer), facts={f.id: _fact(f) for f in answer.facts}, attributes=attributes_json(answer))
        tail = {"questions": _questions(answer), "versions": dict(answer.versions)}
        return f"{dumps(full)[:-1]}, {self._decision(answer)}, {dumps(tail)[1:]}"

    def _decision(self, answer: Answer) -> str:
        kept = self._known.get(id(answer.decision))
        if kept is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            kept = self._known[id(answer.decision)] = (answer.decision, dumps(decision_json(answer))[1:-1])
        return kept[1]


def dumps(value: object) -> str:
    """JSON as every output of kakekomi writes it: Japanese readable, lone surrogates escaped so that UTF-8 can hold it."""
    text = _READABLE.encode(value)
    return json.dumps(value) if _SURROGATE.search(text) else text


def attributes_json(answer: Answer) -> dict[str, Any]:
    """The attributes that are known, as the JSON of an answer has them."""
    a = answer.attributes
    values = {
        "amount_jpy": a.amount_jpy,
        "payment_method": list(a.payment_method) or None,
        "prefecture": a.prefecture,
        "device": a.device,
        "elapsed": a.elapsed,
    }
    return {name: value for name, value in values.items() if value is not None}


def _fact(fact: Fact) -> dict[str, Any]:
    evidence = [{"text": e.text, "start": e.start, "end": e.end} for e in fact.evidence]
    return {"value": fact.value, "evidence": evidence, "why": fact.why}


def _entry(entry: AdvisedAction | AdvisedDesk, names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in names}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if v is not None}


# ---- the page -------------------------------------------------------------------------------------------------------
# Each line is (style, text); the command line turns styles into colours or drops them.

Line = tuple[str, str]


def page(answer: Answer, knowledge: KnowledgeBase, *, explain: bool = False) -> Iterator[Line]:
    """The answer as a frightened person should read it: most urgent first, and nothing that another line says as well (unless explained)."""
    if not explain:
        answer = _with_actions(answer, _said_once(answer.actions, knowledge))
    if any(action.id == EMERGENCY for action in answer.actions):
        yield from _actions(answer, "emergency", explain)
        yield "", ""
    yield from _understood(answer, knowledge)
    asked = {a.id for a in answer.actions if knowledge.actions[a.id].answers}
    yield from _answers([a for a in answer.actions if a.id in asked], explain)
    answer = _with_actions(answer, [a for a in answer.actions if a.id not in asked])
    for urgency in ("now", "never", "today", "soon"):
        yield from _actions(answer, urgency, explain)
    yield from _desks(answer, explain)
    if explain:
        yield from _trace(answer)
    yield "", ""
    yield "note", "この答えは一般的な案内です。迷ったら、消費者ホットライン188か、警察相談専用電話 #9110 に話してください。"


def _with_actions(answer: Answer, actions: Iterable[AdvisedAction]) -> Answer:
    return answer._replace(decision=answer.decision._replace(actions=tuple(actions)))


def _said_once(actions: Sequence[AdvisedAction], knowledge: KnowledgeBase) -> tuple[AdvisedAction, ...]:
    """Without the actions that are `said_by` another one which is at least as urgent and still to be done."""
    place = {a.id: URGENCIES.index(a.urgency) for a in actions if not a.done}

    def said(action: AdvisedAction) -> bool:
        return any(place.get(other, len(URGENCIES)) <= URGENCIES.index(action.urgency) for other in knowledge.actions[action.id].said_by)

    return tuple(a for a in actions if not said(a))


def _understood(answer: Answer, knowledge: KnowledgeBase) -> Iterator[Line]:
    title = knowledge.scenarios[answer.scenario].title
    yield "title", f"■ ご相談の内容: {title}"
    if answer.needs_review and answer.decider and not answer.decider.startswith(CHOICE):
        yield "note", f"  {answer.decider}"
    elif answer.needs_review and not any(a.id == LISTENER for a in answer.actions):
        second = knowledge.scenarios[answer.candidates[1].scenario]
        yield "note", f"  はっきりとは決められませんでした。「{second.title}」(場合: {second.is_this})かもしれません。"
    elif answer.scenario == OUT_OF_SCOPE:
        yield "note", f"  {NOT_OURS}"
    for fact in answer.facts:
        entry = knowledge.facts[fact.id]
        words = "、".join(f"「{_short(e.text)}」" for e in fact.evidence if e.text) or "(お答えから)"
        yield "fact", f"  ・{entry.yes if fact.value == 'yes' else entry.no} ← {words}"


def _short(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= 40 else words[:39] + "…"


def _actions(answer: Answer, urgency: str, explain: bool) -> Iterator[Line]:
    emergency = [a for a in answer.actions if a.id == EMERGENCY]
    chosen = emergency if urgency == "emergency" else [a for a in answer.actions if a.urgency == urgency and a not in emergency]
    if not chosen:
        return
    yield "", ""
    yield urgency, f"■ {HEADINGS.get(urgency) or _first_heading(answer)}"
    for number, action in enumerate(chosen, start=1):
        mark = "×" if urgency == "never" else "済" if action.done else f"{number}."
        yield from _action(action, urgency, mark, explain)


def _answers(chosen: Sequence[AdvisedAction], explain: bool) -> Iterator[Line]:
    """What the person asked outright, before all that is to be done."""
    if chosen:
        yield "", ""
        yield "title", "■ お尋ねのこと"
    for action in chosen:
        yield from _action(action, "title", "・", explain)


def _action(action: AdvisedAction, style: str, mark: str, explain: bool) -> Iterator[Line]:
    yield style, f"  {mark} {action.text}"
    yield "why", f"     {action.because}{UNSURE[action.confidence]}"
    if explain:
        yield "source", f"     規則 {'、'.join(action.rules)} / 出典 {action.source} / 確認日 {action.checked}"


def _first_heading(answer: Answer) -> str:
    """110 is not only for a life in danger: somebody comes for the money, or it was handed over a moment ago."""
    return "まず、命を守ること" if any(f.id == "danger" and f.value == "yes" for f in answer.facts) else "まず、110番すること"


def _desks(answer: Answer, explain: bool) -> Iterator[Line]:
    if not answer.desks:
        return
    yield "", ""
    yield "desk", "■ 相談するところ"
    for desk in answer.desks:
        yield "desk", f"  ・{desk.name}{'  電話 ' + desk.phone if desk.phone else ''}"
        yield "why", f"     {desk.because}{UNSURE[desk.confidence]}"
        for label, value in (("時間", desk.hours), ("方法", desk.how), ("ページ", desk.url)):
            if value:
                yield "detail", f"     {label}: {value}"
        if explain:
            yield "source", f"     規則 {'、'.join(desk.rules)} / 出典 {desk.source} / 確認日 {desk.checked}"


def _trace(answer: Answer) -> Iterator[Line]:
    yield "", ""
    yield "title", "■ この答えになったわけ(規則の働いた順)"
    for firing in answer.decision.trace:
        yield "detail", f"  {firing.rule}: {firing.because}"
        yield "source", f"     もと: {'、'.join(firing.on)} → {'、'.join(firing.adds)}"
    if answer.read_as:
        yield "source", f"  かなの文を、次のように読みました: {answer.read_as}"
    for fact in answer.facts:
        yield "source", f"  事実 {fact.id}={fact.value}: {fact.why}"
    yield "source", "  候補: " + "、".join(f"{s.scenario} {s.value:.2f}" for s in answer.candidates)


def what_if(before: Answer, after: Answer) -> Mapping[str, tuple[str, ...]]:
    """Ids of actions and desks that appear and that go when a fact is flipped."""
    old = {a.id: a.text for a in before.actions} | {d.id: d.name for d in before.desks}
    new = {a.id: a.text for a in after.actions} | {d.id: d.name for d in after.desks}
    return {
        "appears": tuple(f"{key}: {text}" for key, text in new.items() if key not in old),
        "goes": tuple(f"{key}: {text}" for key, text in old.items() if key not in new),
    }
