"""Fit the weights of expert/recognition.py, and show what its thresholds are worth: `python eval/recognition.py`.

Logistic regression over all facts at once, on the training corpus: what the model says of an example comes from models that have read
no example of its writer. The share of a fact in a scenario is taken from the whole corpus. Facts on which two readers differed are left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from eval.baselines import say
from expert import classifier, corpus, counting, recognition, training
from expert.classifier import Array
from expert.domain import Statement
from expert.pipeline import Expert
from expert.scoring import Row

PARTS = 5
C = 0.1
"""A little of it, so that a fact leans on others only where many examples say so: more of it hardly gains, much less of it loses."""


def held_out(expert: Expert, rows: Sequence[Row], examples: Sequence[corpus.Example]) -> tuple[Array, Array]:
    """The model's values [examples, statements] and probabilities [examples, scenarios], each writer held out in turn."""
    statements = expert.model.statements
    _, matrix, _ = training._weighted(counting.count((classifier.words_and_marks(*row), row[0].normal) for row in rows))
    labels = np.unique([e.scenario for e in examples], return_inverse=True)[1]
    stated = [{**e.facts, **dict.fromkeys(e.unsure_facts, "unsure")} for e in examples]
    values, decisions = np.zeros((len(examples), len(statements))), np.zeros((len(examples), len(expert.model.scenarios)))
    for part, (fit, hold) in enumerate(GroupKFold(PARTS).split(matrix, labels, [e.writer for e in examples]), start=1):
        say(f"{part}/{PARTS}")
        weights, bias = training._fit_facts(matrix[fit], labels[fit], statements, [stated[i] for i in fit])
        values[hold] = matrix[hold] @ weights + bias
        weights, bias = training._fit(matrix[fit], labels[fit])
        decisions[hold] = matrix[hold] @ weights + bias
    return values, expert.model.probabilities(decisions)


def table(rows: Iterable[Mapping[str, str]], statements: Sequence[Statement], value: str, wanted: str) -> Array:
    """Whether each row says `wanted` of the facts of the statements of a value [rows, facts]."""
    names = [fact for fact, v in statements if v == value]
    return np.array([[row.get(name) == wanted for name in names] for row in rows])


def left_open(expert: Expert, read: Sequence[Row], facts: int) -> Array:
    """Whether the last mention of each fact leaves it open at the end of a text [rows, facts]."""
    place = {fact: i for i, (fact, _) in enumerate(expert.model.statements[:facts])}
    out = np.zeros((len(read), facts), bool)
    for row, (text, mentions, _) in zip(out, read, strict=True):
        for mention in mentions:
            if fact := expert.assertion.fact_of.get(mention.concept):
                row[place[fact]] = expert.recognizer.is_left_open(mention, text)
    return out


def sweep(title: str, thresholds: Sequence[float], said: Callable[[float], Array], true: Array, sure: Array) -> None:
    """Print F1 at each threshold; `sure` masks what the two readers agree on."""
    scores = []
    for threshold in thresholds:
        found, gold = said(threshold)[sure], true[sure]
        scores.append(2 * np.count_nonzero(found & gold) / (np.count_nonzero(found) + np.count_nonzero(gold)))
    print(f"{title}:", " ".join(f"{t:+.1f} {score:.3f}" for t, score in zip(thresholds, scores, strict=True)))


def fitted(found: Array, said: Array, sure: Array, writers: Sequence[str]) -> tuple[Array, Array]:
    """For each fact the weights of `found` [examples, facts, what is weighed] and a bias, and the log odds that weights from other writers give."""
    weights, odds = [], np.zeros(said.shape)
    for fact in range(said.shape[1]):
        model = LogisticRegression(C=C, max_iter=1000)
        x, y, known = found[:, fact], said[:, fact], sure[:, fact]
        whole = model.fit(x[known], y[known])
        weights.append([*whole.coef_[0], *whole.intercept_])
        for others, hold in GroupKFold(PARTS).split(x, y, writers):
            fit = others[known[others]]
            odds[hold, fact] = model.fit(x[fit], y[fit]).decision_function(x[hold])
    return np.array(weights), odds


def write(statements: Sequence[Statement], weights: Array) -> None:
    """The weights [facts, scenario, yes and no of the rules, statements, bias] as a table."""
    head = ["fact", "scenario", "read_yes", "read_no", *map("=".join, statements), "bias"]
    rows = [[fact, *(f"{weight:.2f}" for weight in row)] for (fact, _), row in zip(statements, weights, strict=False)]
    recognition.WEIGHTS.write_text("".join("\t".join(row) + "\n" for row in [head, *rows]), encoding="utf-8")


def main() -> None:
    """Fit the weights of `expert.recognition` with each writer held out, write them, and print what F1 they give."""
    expert = Expert.load(on_training=lambda: say("学習: kakekomi"))
    kb, statements = expert.knowledge, expert.model.statements
    examples = corpus.load(corpus.training_files(), kb.scenarios, kb.facts)
    read = expert._read([e.text for e in examples])
    values, probabilities = held_out(expert, read, examples)
    stated = [{**e.facts, **dict.fromkeys(e.unsure_facts, "unsure")} for e in examples]
    rules = [{f.id: f.value for f in facts} for _, _, facts in read]
    spoken = [{expert.assertion.fact_of[m.concept]: "yes" for m in mentions if m.concept in expert.assertion.fact_of} for _, mentions, _ in read]

    sure, yes = ~table(stated, statements, "yes", "unsure"), table(stated, statements, "yes", "yes")
    read_yes, read_no = (table(rules, statements, "yes", v) for v in ("yes", "no"))
    short = np.array([len(text.normal) <= recognition.SHORT_TEXT for text, _, _ in read])[:, None]
    share = probabilities @ expert.model.shares()
    of_all = np.broadcast_to(values[:, None], (*yes.shape, values.shape[1]))
    found = np.concatenate([np.stack([np.log(share / (1 - share)), read_yes, read_no], axis=-1), of_all], axis=-1)
    weights, heard = fitted(found, yes, sure & ~short, [e.writer for e in examples])
    write(statements, weights)
    odds = heard - read_yes * weights[:, 1] - read_no * weights[:, 2]

    alone = ~table(spoken, statements, "yes", "yes")
    sweep("F1 of yes, rules alone", [0.0], lambda _: read_yes, yes, sure)
    sweep("YES, long texts", np.arange(-1, 1.3, 0.2).tolist(), lambda t: heard > t, yes, sure & ~short)
    open_ = left_open(expert, read, yes.shape[1]) & ~read_yes & ~read_no
    sweep("… and not left open", np.arange(-1, 1.3, 0.2).tolist(), lambda t: (heard > t) & ~open_, yes, sure & ~short)
    sweep(
        "KEEP_YES",
        [-1.5, -1.0, -0.7, -0.5, -0.3, 0.0],
        lambda t: np.where(read_yes, heard > t, (heard > recognition.YES) & ~open_),
        yes,
        sure & ~short,
    )
    sweep("SHORT_YES, short texts", np.arange(-1, 1.9, 0.3).tolist(), lambda t: np.where(alone, odds > t, read_yes), yes, sure & short)

    sure_no, no = ~table(stated, statements, "no", "unsure") & ~short, table(stated, statements, "no", "no")
    read_no = table(rules, statements, "no", "no")
    denial = values[:, yes.shape[1] :]
    sweep("F1 of no, rules alone", [0.0], lambda _: read_no, no, sure_no)
    for keep in (-0.8, -0.6, -0.4):
        sweep(f"NO where KEEP_NO is {keep}", [-0.1, 0.0, 0.1, 0.2], lambda t, k=keep: (read_no & (denial > k)) | (denial > t), no, sure_no)  # type: ignore[misc]


if __name__ == "__main__":
    main()
