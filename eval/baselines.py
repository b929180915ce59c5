"""The methods that eval/accuracy.py compares: baselines, the project, and the project without its parts. All learn from the same examples."""

import io
import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from expert import classifier, counting, ranking, training, trigrams
from expert.classifier import Features, Model
from expert.corpus import Example
from expert.hints import CONCEPT, Hints, found_in
from expert.pipeline import Expert, Understanding

CHARACTERS = (2, 3, 4)
GINZA_C = 0.03
SEED = 20261124

Guess = tuple[str, str, float | None]
"""First and second scenario, and the confidence in the first where the method has one."""


@dataclass(frozen=True)
class Texts:
    """Labelled examples with what the project reads in them: read once, used by every method."""

    name: str
    examples: list[Example]
    understood: list[Understanding]
    features: list[Features]
    hints: list[list[str]]
    """What the rules find in each text: concepts and facts (`expert.hints`)."""

    @property
    def labels(self) -> list[str]:
        """The scenario of each text."""
        return [e.scenario for e in self.examples]


Guesses = Callable[[Texts], list[Guess]]
View = Callable[[Texts], list[Features]]
"""The features of all texts of a split, as one method sees them."""


@dataclass(frozen=True)
class Method:
    """One row of the table: how it guesses all examples of a split. `guess` is None where it cannot run here."""

    name: str
    guess: Guesses | None


def say(text: str) -> None:
    """Progress, for the person who waits."""
    print(text, file=sys.stderr, flush=True)


def read(expert: Expert, name: str, examples: list[Example]) -> Texts:
    """What the project understands of the examples of a split."""
    say(f"{name}: {len(examples)}件を読んでいます")
    rows = [expert._read([e.text])[0] for e in examples]
    return Texts(
        name=name,
        examples=examples,
        understood=[expert.understand(e.text) for e in examples],
        features=[classifier.features(tokens) for tokens, _, _ in rows],
        hints=[found_in(mentions, facts) for _, mentions, facts in rows],
    )


def methods(expert: Expert, train: Texts, ginza_python: str) -> list[Method]:
    """The baselines, the project, and the project without its parts."""
    return [
        Method("majority", majority(train)),
        Method("keyword lexicon alone (signs and concepts vote)", lexicon(train)),
        linear(train, "character 2–4-grams, linear SVM", characters),
        linear(train, "TF-IDF of words, linear SVM, no facts", words),
        Method("GiNZA vectors, logistic regression", ginza_vectors(train, ginza_python)),
        Method("**kakekomi**", project(expert, expert.model)),
        Method("… no rules (no revision of the scenario)", project(expert, expert.model, rules=False)),
        Method("… no facts and concepts beside the model", project(expert, expert.model, hints=False)),
        without_trigrams(expert, train),
    ]


def majority(train: Texts) -> Guesses:
    """The two commonest scenarios, whatever the text."""
    (first, _), (second, _) = Counter(train.labels).most_common(2)
    return lambda texts: [(first, second, None) for _ in texts.examples]


def lexicon(train: Texts) -> Guesses:
    """Each concept or sign votes for the scenario with which it is most frequent in training; without votes, the most frequent ones."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for found, label in zip(train.hints, train.labels, strict=True):
        for concept in concepts(found):
            seen[concept][label] += 1
    votes_for = {concept: counts.most_common(1)[0][0] for concept, counts in seen.items()}
    usual = [label for label, _ in Counter(train.labels).most_common()]

    def guess(found: Features) -> Guess:
        votes = Counter(votes_for[c] for c in concepts(found) if c in votes_for)
        first, second = list(dict.fromkeys([*(label for label, _ in votes.most_common()), *usual]))[:2]
        return first, second, None

    return lambda texts: [guess(found) for found in texts.hints]


def concepts(found: list[str]) -> list[str]:
    """Each once, in the order of the text, so that ties fall the same way in every run."""
    return [name for name in found if name.startswith(CONCEPT)]


def characters(texts: Texts) -> list[Features]:
    """Runs of characters of the lengths in CHARACTERS."""
    return [["#" + n[i : i + k] for k in CHARACTERS for i in range(len(n) - k + 1)] for n in (u.text.normal for u in texts.understood)]


def words(texts: Texts) -> list[Features]:
    """Normalized words and pairs of neighbours."""
    return [[*lemmas, *(f"{a}_{b}" for a, b in pairwise(lemmas))] for lemmas in (u.text.lemmas for u in texts.understood)]


def train_on(train: Texts, view: View) -> Model:
    """Learns the scenarios alone."""
    counts = counting.count((found, "") for found in view(train))
    return training.train(counts, train.labels, [{} for _ in train.examples], [e.writer for e in train.examples], "")


def linear(train: Texts, name: str, view: View) -> Method:
    """The project's own kind of model over other features."""
    say(f"学習: {name}")
    return Method(name, by_model(train_on(train, view), view))


def by_model(model: Model, view: View) -> Guesses:
    """What a trained model says of a view of the texts."""

    def guess(found: Features) -> Guess:
        first, second = model.score([found])[0][:2]
        return first.scenario, second.scenario, first.value

    return lambda texts: [guess(found) for found in view(texts)]


def own(texts: Texts) -> list[Features]:
    """The features of the project's own classifier."""
    return texts.features


def project(expert: Expert, model: Model, view: View = own, *, hints: bool = True, rules: bool = True) -> Guesses:
    """The model's scores, with what concepts and facts add to them, then the rules that may revise the scenario."""
    weighing = Hints(model.scenarios, ())

    def guess(understood: Understanding, features: Features, found: list[str]) -> Guess:
        scores = ranking.chosen(model.score([features], weighing.weigh([found])[0] if hints else 0.0)[0])
        if not rules:
            return scores[0].scenario, scores[1].scenario, scores[0].value
        answer = expert.answer(understood._replace(scores=scores), questions=False)
        return answer.scenario, answer.candidates[1].scenario, answer.confidence

    return lambda texts: [guess(*text) for text in zip(texts.understood, view(texts), texts.hints, strict=True)]


def without_trigrams(expert: Expert, train: Texts) -> Method:
    """The project with a classifier that sees words alone."""
    say("学習: 三文字なし")

    def view(texts: Texts) -> list[Features]:
        return [[f for f in found if not f.startswith(trigrams.PREFIX)] for found in texts.features]

    return Method("… no character trigrams in the classifier", project(expert, train_on(train, view), view))


_GINZA = """
import json, sys
import ginza, numpy, spacy  # ginza registers the tokenizer
nlp = spacy.load("ja_ginza")
numpy.save(sys.stdout.buffer, numpy.array([nlp.make_doc(text).vector for text in json.load(sys.stdin)]))
"""


def ginza_vectors(train: Texts, python: str) -> Guesses | None:
    """Mean of the word vectors of ja_ginza, standardised; C chosen in favour of this baseline. None if `python` has no ja_ginza.

    In a Python of its own: ginza holds Sudachi back at an older version.
    """
    try:
        subprocess.run([python, "-c", _GINZA], input=b"[]", capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"GiNZAは測れません: {error}")
        return None
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    say("学習: GiNZA")

    def vectors(texts: Texts) -> Any:
        given = json.dumps([e.text for e in texts.examples]).encode()
        return np.load(io.BytesIO(subprocess.run([python, "-c", _GINZA], input=given, stdout=subprocess.PIPE, check=True).stdout))

    model = make_pipeline(StandardScaler(), LogisticRegression(C=GINZA_C, max_iter=2000)).fit(vectors(train), train.labels)

    def guess(texts: Texts) -> list[Guess]:
        p = model.predict_proba(vectors(texts))
        best = np.argsort(-p, axis=1)[:, :2]
        return [(str(model.classes_[a]), str(model.classes_[b]), float(row[a])) for row, (a, b) in zip(p, best, strict=True)]

    return guess


def part(train: Texts, share: float) -> Texts:
    """A share (0..1) of every writer's examples of every scenario; a larger share holds the smaller ones."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, example in enumerate(train.examples):
        groups[example.writer, example.scenario].append(i)
    rnd, chosen = random.Random(SEED), []
    for _, members in sorted(groups.items()):
        rnd.shuffle(members)
        offset = rnd.random()
        chosen += [i for rank, i in enumerate(members) if (rank + offset) / len(members) < share]
    chosen.sort()
    return Texts(
        name=train.name,
        examples=[train.examples[i] for i in chosen],
        understood=[train.understood[i] for i in chosen],
        features=[train.features[i] for i in chosen],
        hints=[train.hints[i] for i in chosen],
    )
