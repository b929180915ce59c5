"""Two runs over the same cases: an evaluation as JSON, and what changed since one that was kept."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from expert import evaluation, metrics
from expert.errors import EvaluationError
from expert.evaluation import Evaluation, Outcome
from expert.metrics import FactScore, Interval

FORMAT = "kakekomi-eval-1"


@dataclass(frozen=True, slots=True)
class Change:
    """A case, or a fact of a case, that came out otherwise. `fact` is empty where it is the scenario that changed."""

    id: str
    gold: str
    before: str
    after: str
    fact: str = ""

    @property
    def fixed(self) -> bool:
        """Wrong before, right now."""
        return self.after == self.gold

    @property
    def broken(self) -> bool:
        """Right before, wrong now."""
        return self.before == self.gold


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both runs over the cases that they share, judged by today's labels. `p_value`: exact McNemar test on hits@1."""

    old: str
    shared: int
    only_old: int
    only_new: int
    relabelled: int
    p_value: float
    scenarios: tuple[Change, ...]
    facts: tuple[Change, ...]
    hits: Mapping[str, tuple[Interval, Interval]]
    fact_scores: Mapping[str, tuple[FactScore, FactScore]]
    missing_advice: tuple[int, int]
    forbidden_advice: tuple[int, int]


def compare(new: Evaluation, old: Iterable[Outcome], name: str) -> Comparison:
    """What changed since the run that `read` took from the file `name`. Raises EvaluationError if the two share no case."""
    before, after = {o.id: o for o in old}, {o.id: o for o in new.outcomes}
    shared = [(before[i], after[i]) for i in after if i in before]
    if not shared:
        raise EvaluationError(f"{name} には、同じ id の例が一つもありません。同じラベルファイルから作ったものを指定してください。")
    pairs = [(_relabel(b, a), a) for b, a in shared]
    scenarios = tuple(Change(a.id, a.gold, b.predicted, a.predicted) for b, a in pairs if b.predicted != a.predicted)
    olds, news = (list(side) for side in zip(*pairs, strict=True))
    old_hits, new_hits = evaluation.hits(olds), evaluation.hits(news)
    old_facts, new_facts = (metrics.fact_scores((o.reading for o in side), new.facts) for side in (olds, news))
    return Comparison(
        old=name,
        shared=len(shared),
        only_old=len(before) - len(shared),
        only_new=len(after) - len(shared),
        relabelled=sum((b.gold, b.gold_facts) != (a.gold, a.gold_facts) for b, a in shared),
        p_value=metrics.mcnemar(sum(c.fixed for c in scenarios), sum(c.broken for c in scenarios)),
        scenarios=scenarios,
        facts=tuple(change for b, a in pairs for change in _fact_changes(b, a, new.facts)),
        hits={name: (old_hits[name], new_hits[name]) for name in new_hits},
        fact_scores={
            **{fact: (old_facts[fact], new_facts[fact]) for fact in new.facts},
            "all": (metrics.total(old_facts.values()), metrics.total(new_facts.values())),
        },
        missing_advice=(sum(len(b.missing) for b, _ in pairs), sum(len(a.missing) for _, a in pairs)),
        forbidden_advice=(sum(len(b.forbidden) for b, _ in pairs), sum(len(a.forbidden) for _, a in pairs)),
    )


def _relabel(old: Outcome, new: Outcome) -> Outcome:
    return replace(old, gold=new.gold, accept=new.accept, gold_facts=new.gold_facts, unsure_facts=new.unsure_facts)


def _fact_changes(old: Outcome, new: Outcome, facts: Iterable[str]) -> Iterable[Change]:
    for fact in facts:
        gold, before, after = (side.get(fact, "unknown") for side in (new.gold_facts, old.facts, new.facts))
        if before != after and fact not in new.unsure_facts:
            yield Change(new.id, gold, before, after, fact)


# ---- JSON -----------------------------------------------------------------------------------------------------------


def to_json(new: Evaluation, comparison: Comparison | None = None) -> dict[str, Any]:
    """All figures and one row a case, ready for `json.dumps`; no texts."""
    figures = asdict(new)
    rows = figures.pop("outcomes")
    figures.pop("all_facts")
    facts = {name: _fact_json(score) for name, score in {**new.facts, "all": new.all_facts}.items()}
    advice = {**figures["advice"], "recall": new.advice.recall}
    compared = {"comparison": asdict(comparison)} if comparison else {}
    return {"format": FORMAT, "cases": len(rows), "refused": new.refused, **figures, "facts": facts, "advice": advice, **compared, "rows": rows}


def _fact_json(score: FactScore) -> dict[str, Any]:
    shares = ("precision", "recall", "f1", "no_accuracy", "false_yes_rate")
    return {**asdict(score), **{name: getattr(score, name) for name in shares}}


def read(file: Path) -> list[Outcome]:
    """The outcomes in a file that `to_json` made. Raises EvaluationError if it is not one."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(data["format"])
        return [Outcome(**{name: _frozen(value) for name, value in row.items()}) for row in data["rows"]]
    except OSError as error:
        raise EvaluationError(f"{file} を開けません({error.strerror})。ファイルの名前と場所を確かめてください。") from error
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"{file} とは比べられません。「kakekomi eval … --json」で書いたファイルを指定してください。") from error


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
