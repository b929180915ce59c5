"""Fit the weights of expert/hints.py and expert/recognition.py, and show what thresholds are worth: `python eval/recognition.py`.

Logistic regression for each fact and over all scenarios, on the training corpus: what the model says of an example comes from models that have
read no example of its writer. The share of a fact in a scenario is taken from the whole corpus. Facts on which two readers differed are left out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from eval.baselines import say
from expert import classifier, corpus, counting, hints, recognition, trainer, training
from expert.classifier import Array, softmax
from expert.domain import OUT_OF_SCOPE, Fact, Mention, Statement, TokenizedText
from expert.pipeline import Expert

Row = tuple[TokenizedText, Sequence[Mention], Sequence[Fact]]

PARTS = 5
C = 0.1
"""A little of it, so that a fact leans on others only where many examples say so: more of it hardly gains, much less of it loses."""
FEWEST = 20
"""Texts in which a hint is found: of fewer it gets no weight."""
SMALL = 10.0
"""How much large weights of hints for scenarios cost: between 3 and 300 the likelihood of the texts of other writers hardly changes."""


def held_out(expert: Expert, rows: Sequence[Row], y: Array, stated: Sequence[Mapping[str, str]], writers: Sequence[str]) -> tuple[Array, Array]:
    """The model's values [examples, statements] and decisions [examples, scenarios], each writer held out in turn.

    `y`: their scenarios, or one more for stories.
    """
    statements = expert.model.statements
    _, matrix, _ = training._weighted(counting.count((classifier.words(text), text.normal) for text, _, _ in rows))
    values, decisions = np.zeros((len(y), len(statements))), np.zeros((len(y), len(expert.model.scenarios)))
    for part, (fit, hold) in enumerate(GroupKFold(PARTS).split(matrix, y, writers), start=1):
        say(f"{part}/{PARTS}")
        weights, bias = training._fit_facts(matrix[fit], y[fit], statements, [stated[i] for i in fit])
        values[hold] = matrix[hold] @ weights + bias
        labelled = fit[y[fit] < len(expert.model.scenarios)]
        weights, bias = training._fit(matrix[labelled], y[labelled])
        decisions[hold] = matrix[hold] @ weights + bias
    return values, decisions


def alarms(expert: Expert, rows: Sequence[Row], examples: Sequence[corpus.Example]) -> Array:
    """The value of the most alarming sentence of each example [examples], each writer of stories held out in turn."""
    sentences = corpus.sentences(corpus.danger_files(corpus.training_files())[0])
    writers, values = [e.writer for e in examples], np.zeros(len(examples))
    for fit, hold in GroupKFold(PARTS).split(writers, groups=writers):
        alarm = trainer.alarm(sentences, [examples[i] for i in fit], expert.tokenizer)
        values[hold] = [heard.value for heard in alarm.hear([rows[i][0].normal for i in hold])] if alarm else -np.inf
    return values


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


def suspicion(odds: Array, alarming: Array, read: Sequence[str | None], labels: Array, ours: Array) -> None:
    """Print how many dangers are missed and how many false alarms there are, by what the story counts, from which suspicion on danger is stated, and
    whether something of ours is told. All [examples]: log odds of danger, value of the most alarming sentence, what the rules read, its label.
    """
    true, sure = labels == "yes", labels != "unsure"
    read_yes, unread = (np.array([value == said for value in read]) for said in ("yes", None))
    for of_story in (0.15, 0.25, 0.35, 0.5):
        suspected = alarming + of_story * np.maximum(odds, recognition._LEAST_ODDS)
        for side, there in (("ours", ours), ("not ours", ~ours)):
            shown = []
            for threshold in (-1.4, -1.1, -0.8, -0.5, -0.2, 0.1):
                stated = (unread & (suspected > threshold)) | (read_yes & (ours | (suspected > recognition.DOUBTED)))
                missed, false = (np.count_nonzero(there & sure & wrong) for wrong in (true & ~stated, stated & ~true))
                shown.append(f"{threshold:+.1f} {missed} and {false}")
            print(f"danger missed and false, story {of_story}, {side} ({np.count_nonzero(there & sure & true)} dangers):", ", ".join(shown))


def found(expert: Expert, rows: Sequence[Row]) -> tuple[list[str], csr_matrix]:
    """The hints in enough texts (concepts of facts, signs, ways of payment and devices, facts), and in which each is [rows, hints]."""
    kb = expert.knowledge
    weighed = {*(hints.CONCEPT + id for id in (*expert.assertion.fact_of, *kb.signs, *kb.methods, *kb.devices))}
    of_text = [[name for name in hints.found_in(mentions, facts) if name in weighed or "=" in name] for _, mentions, facts in rows]
    texts = Counter(chain.from_iterable(of_text))
    names = sorted(name for name, count in texts.items() if count >= FEWEST)
    number = {name: i for i, name in enumerate(names)}
    places = [(i, number[name]) for i, found in enumerate(of_text) for name in found if name in number]
    return names, csr_matrix((np.ones(len(places)), tuple(zip(*places, strict=True))), (len(rows), len(names)))


def of_scenarios(there: csr_matrix, log_odds: Array, y: Array) -> Array:
    """What hints [examples, hints] add to the model's log odds of the scenarios [examples, scenarios]: weights [hints, scenarios].

    The most likely ones, all scenarios alike however many examples they have, with a cost on large ones.
    """
    size, truth = (there.shape[1], log_odds.shape[1]), np.eye(log_odds.shape[1])[y]
    counted = (len(y) / (size[1] * np.bincount(y)))[y]

    def loss(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(size)
        p = softmax(log_odds + there @ weights)
        likelihood = counted @ np.log(np.maximum(p[np.arange(len(y)), y], 1e-300))
        slope = there.T @ ((p - truth) * counted[:, None]) + SMALL * weights
        return SMALL / 2 * float(np.sum(weights**2)) - float(likelihood), slope.ravel()

    return np.asarray(minimize(loss, np.zeros(size).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100}).x.reshape(size))


def fitted(weighed: Array, concepts: csr_matrix, said: Array, sure: Array, writers: Sequence[str]) -> tuple[Array, Array]:
    """For each fact the weights of `weighed` [examples, facts, what is weighed], of the concepts [examples, concepts] and a bias, and the log odds
    that weights from other writers give.
    """
    weights, odds = [], np.zeros(said.shape)
    for fact in range(said.shape[1]):
        model = LogisticRegression(C=C, max_iter=3000)
        x, y, known = hstack([csr_matrix(weighed[:, fact]), concepts]).tocsr(), said[:, fact], sure[:, fact]
        whole = model.fit(x[known], y[known])
        weights.append([*whole.coef_[0], *whole.intercept_])
        for others, hold in GroupKFold(PARTS).split(y, y, writers):
            fit = others[known[others]]
            odds[hold, fact] = model.fit(x[fit], y[fit]).decision_function(x[hold])
    return np.array(weights), odds


def write(statements: Sequence[Statement], scenarios: Sequence[str], weights: Array, names: Sequence[str], added: Array) -> None:
    """Two tables: the weights [facts, scenario, yes and no of the rules, statements, concepts, bias] with a row a fact, those of concepts apart,
    where those of all hints for scenarios stand too: `added` [hints, scenarios].
    """
    facts = [fact for fact, value in statements if value == "yes"]
    first = 3 + len(statements)
    head = ["fact", "scenario", "read_yes", "read_no", *map("=".join, statements), "bias"]
    rows = [[fact, *shown([*row[:first], row[-1]])] for fact, row in zip(facts, weights, strict=True)]
    recognition.WEIGHTS.write_text("".join("\t".join(row) + "\n" for row in [head, *rows]), encoding="utf-8")
    concepts = [name for name in names if name.startswith(hints.CONCEPT)]
    of_concept = dict(zip(concepts, weights[:, first:-1].T, strict=True))
    head = ["hint", *facts, *scenarios]
    rows = [
        [name, *(shown(of_concept[name]) if name in of_concept else [""] * len(facts)), *shown(row)] for name, row in zip(names, added, strict=True)
    ]
    hints.WEIGHTS.write_text("".join("\t".join(row) + "\n" for row in [head, *rows]), encoding="utf-8")


def shown(weights: Iterable[float]) -> list[str]:
    """To a hundredth."""
    return [f"{weight:.2f}" for weight in weights]


def main() -> None:
    """Fit the weights of `expert.recognition` with each writer held out, write them, and print what F1 they give."""
    expert = Expert.load(on_training=lambda: say("学習: kakekomi"))
    kb, statements = expert.knowledge, expert.model.statements
    files = corpus.training_files()
    ordinary, stories = (corpus.load(found, kb.scenarios, kb.facts) for found in (files, corpus.danger_files(files)[1]))
    examples, stated = [*ordinary, *stories], trainer.taught(ordinary, stories, kb.facts)
    y = np.array([*map(expert.model.scenarios.index, [e.scenario for e in ordinary]), *[len(expert.model.scenarios)] * len(stories)])
    read = expert._read([e.text for e in examples])
    values, decisions = held_out(expert, read, y, stated, [e.writer for e in examples])
    names, there = found(expert, read)
    log_odds, labelled = decisions / expert.model.temperature, np.arange(len(y)) < len(ordinary)
    added = of_scenarios(there[labelled], log_odds[labelled], y[labelled])
    probabilities = softmax(log_odds + there @ added)
    rules = [{f.id: f.value for f in facts} for _, _, facts in read]
    spoken = [{expert.assertion.fact_of[m.concept]: "yes" for m in mentions if m.concept in expert.assertion.fact_of} for _, mentions, _ in read]

    sure, yes = ~table(stated, statements, "yes", "unsure"), table(stated, statements, "yes", "yes")
    read_yes, read_no = (table(rules, statements, "yes", v) for v in ("yes", "no"))
    short = np.array([len(text.normal) <= recognition.SHORT_TEXT for text, _, _ in read])[:, None]
    share = probabilities @ expert.model.shares()
    of_all = np.broadcast_to(values[:, None], (*yes.shape, values.shape[1]))
    weighed = np.concatenate([np.stack([np.log(share / (1 - share)), read_yes, read_no], axis=-1), of_all], axis=-1)
    concepts = there[:, [i for i, name in enumerate(names) if name.startswith(hints.CONCEPT)]]
    weights, heard = fitted(weighed, concepts, yes, sure & ~short, [e.writer for e in examples])
    write(statements, expert.model.scenarios, weights, names, added)
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

    danger = [fact for fact, _ in statements].index("danger")
    ours = probabilities.argmax(axis=1) != expert.model.scenarios.index(OUT_OF_SCOPE)
    suspicion(
        odds[:, danger],
        alarms(expert, read, examples),
        [facts.get("danger") for facts in rules],
        np.array([facts.get("danger", "") for facts in stated]),
        ours,
    )


if __name__ == "__main__":
    main()
