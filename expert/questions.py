"""What to ask back: only facts whose answer would change an action or a desk, the weightiest first."""

from collections.abc import Callable, Iterable, Mapping

from expert.domain import Case, Decision, Question
from expert.knowledge import KnowledgeBase

MOST = 5
_TRIED = 4
"""Facts tried: each costs one or two runs of the rules; whether money is gone costs one more for each way of payment."""
METHOD = "payment_method"
_FIRST = "danger"
"""Asked before anything else."""
_WEIGHT = {"never": 3.0, "now": 4.0, "today": 2.0, "soon": 1.0}
_DESK_WEIGHT = 1.0
_RARE, _DECISIVE = 0.02, 0.1
"""Share of the examples of a scenario below which a fact is not asked for, and the least that is assumed of one that would change the scenario."""


def ask_back(
    case: Case, decision: Decision, knowledge: KnowledgeBase, priors: Mapping[str, float], decide: Callable[[Case], Decision]
) -> tuple[Question, ...]:
    """At most five questions. `decide` gives the decision for a case; `priors` how often the scenario comes with a fact."""
    ranked: list[tuple[float, Question]] = []
    decisive = knowledge.revising_facts.get(decision.scenario, frozenset())
    priors = {f: max(priors.get(f, 0.0), _DECISIVE if f in decisive else 0.0) for f in knowledge.facts}
    for fact in _likeliest(case, knowledge, priors):
        changes, weight = _changes(decision, map(decide, _answered(case, fact, knowledge)))
        if changes:
            question = Question(fact, knowledge.facts[fact].question, changes)
            ranked.append((weight * priors[fact], question))
    ranked.sort(key=lambda row: (row[1].fact != _FIRST, -row[0]))
    questions = [question for _, question in ranked]
    first = sum(question.fact == _FIRST for question in questions)
    return tuple([*questions[:first], *_method(case, decision, knowledge, decide), *questions[first:]][:MOST])


def _likeliest(case: Case, knowledge: KnowledgeBase, priors: Mapping[str, float]) -> list[str]:
    """The unknown facts that most often come with the scenario. One that hardly ever does would only frighten."""
    unknown = [fact for fact in knowledge.facts if fact not in case.facts and priors[fact] >= _RARE]
    return sorted(unknown, key=lambda fact: -priors[fact])[:_TRIED]


def _answered(case: Case, fact: str, knowledge: KnowledgeBase) -> list[Case]:
    """The case with each answer. Of money that is gone it is the way it went that changes the advice, and that is asked next."""
    answered = [_with(case, fact, value) for value in (("yes", "no") if fact in knowledge.denied_facts else ("yes",))]
    by_method = knowledge.methods if fact == "paid" and not case.payment_method else ()
    return [*answered, *(answered[0]._replace(payment_method=(method,)) for method in by_method)]


def _with(case: Case, fact: str, value: str) -> Case:
    return case._replace(facts={**case.facts, fact: value}, settled=False)


def _entries(decision: Decision) -> dict[str, float]:
    return {a.id: _WEIGHT[a.urgency] for a in decision.actions} | {d.id: _DESK_WEIGHT for d in decision.desks}


def _changes(now: Decision, others: Iterable[Decision]) -> tuple[tuple[str, ...], float]:
    """Ids that come or go with one of the other decisions, and the weight of the weightiest of them."""
    before = _entries(now)
    changed: dict[str, float] = {}
    weight = 0.0
    for other in others:
        after = _entries(other)
        differing = {key: value for key, value in {**before, **after}.items() if (key in before) != (key in after)}
        changed |= differing
        weight = max(weight, sum(differing.values()))
    return tuple(changed), weight


def _method(case: Case, decision: Decision, knowledge: KnowledgeBase, decide: Callable[[Case], Decision]) -> list[Question]:
    """Money is gone, but how it was paid is not said: the answer decides whom to call first."""
    if case.facts.get("paid") != "yes" or case.payment_method:
        return []
    others = [decide(case._replace(payment_method=(m,))) for m in knowledge.methods]
    changes, _ = _changes(decision, others)
    titles = "、".join(m.title for m in knowledge.methods.values())
    return [Question(METHOD, f"お金はどうやって払いましたか({titles})。", changes)] if changes else []
