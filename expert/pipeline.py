"""`Expert`: holds knowledge and model, calls the steps in order, returns an `Answer`."""

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from expert import classifier, corpus, knowledge, model_cache, ranking, trainer, training
from expert.assertion import AssertionAnalyzer
from expert.attributes import AttributeReader
from expert.classifier import Model
from expert.decision import Adviser, with_second, without_answers
from expert.domain import OUT_OF_SCOPE, Answer, Attributes, Case, Decision, Evidence, Fact, Mention, Modality, Question, Score, TokenizedText, lead
from expert.errors import InputError
from expert.hints import Hints, found_in
from expert.inference import Engine
from expert.knowledge import KnowledgeBase
from expert.limits import check_text, unreadable
from expert.literals import Literals
from expert.matcher import Matcher
from expert.questions import METHOD, ask_back
from expert.recognition import Alarmed, Recognizer
from expert.scoring import Scorer
from expert.tokenizer import Tokenizer

CANDIDATES = 3
SURE = 0.7
"""Score from which no rule revises the scenario: the classifier has seen the same facts, and is right more often (eval/README.md)."""
_NEARLY = frozenset(("nearly", "nearly_before"))
"""Cues of what was about to happen: an intention for the rules, and nothing that the model may take for done."""
_REMEMBERED = 5_000
_IN_DANGER = "命や体の危険のお話でないかを、先に確かめてください。"


class Understanding(NamedTuple):
    """What was read from a text, before any rule: the input of the rules and of the questions."""

    text: TokenizedText
    facts: tuple[Fact, ...]
    attributes: Attributes
    signs: tuple[str, ...]
    scores: tuple[Score, ...]
    unreadable: str | None = None
    uneasy: bool = False
    """A sentence may speak of danger: that is asked first."""
    doubted: bool = False
    """What the rules read of danger is in doubt: a person has to look at it."""
    assumed: bool = False
    """Some facts were given by the user: the scores do not know them."""

    def case(self) -> Case:
        """What the rules see of it."""
        facts = {f.id: f.value for f in self.facts}
        a = self.attributes
        settled = self.scores[0].value >= SURE and not self.assumed
        return Case(self.scores[0].scenario, facts, a.payment_method, self.signs, a.device, a.prefecture, settled)


class Expert:
    """The expert system. One instance serves any number of texts and threads; it keeps no text."""

    def __init__(self, knowledge_base: KnowledgeBase, model: Model | None = None, literals: Literals | None = None) -> None:
        kb = self.knowledge = knowledge_base
        self.tokenizer = Tokenizer(kb.kana)
        concepts = [c for f in kb.facts.values() for c in f.concepts]
        for entries in (kb.signs, kb.methods, kb.devices, kb.elapsed, kb.prefectures):
            concepts += entries.values()
        self.matcher = Matcher(concepts, literals)
        self.assertion = AssertionAnalyzer(kb.facts, kb.cues, kb.deeds)
        self.attributes = AttributeReader(kb, self.assertion.holds)
        self.engine, self.adviser = Engine(kb), Adviser(kb)
        self._model = model
        self._decisions: dict[tuple[object, ...], Decision] = {}
        self._lock = threading.Lock()

    @classmethod
    def load(cls, rules: Path | None = None, corpus_directory: Path | None = None, *, on_training: Callable[[], None] | None = None) -> "Expert":
        """Load knowledge and model; the model is trained from the corpus the first time (seconds) and then kept in the user's cache.

        It is trained on texts alone: after an edit of rules and words it is still the same (not of `kana.tsv`, nor with other scenarios or facts).

        `on_training` is called before training starts. Raises KnowledgeError, EvaluationError or EngineError.
        """
        with collection_paused():
            kb, files = knowledge.load(rules), corpus.training_files(corpus_directory)
            key = model_cache.cache_key(
                corpus.fingerprint([*files, *chain(*corpus.danger_files(files))]), kb.kana_version, *kb.scenarios, *kb.facts, repr(training.SETTINGS)
            )
            expert = model_cache.with_literals(lambda literals: cls(kb, literals=literals))

            def train() -> Model:
                if on_training:
                    on_training()
                return trainer.train(files, kb, expert.tokenizer, key)

            expert._model = model_cache.cached(key, train)
        return expert

    @property
    def model(self) -> Model:
        """The trained classifier. Raises RuntimeError where there is none yet."""
        if self._model is None:
            raise RuntimeError("Expert needs a model: use Expert.load()")
        return self._model

    @cached_property
    def scorer(self) -> Scorer:
        """Scores many texts at once."""
        return Scorer(self.model)

    @cached_property
    def hints(self) -> Hints:
        """Weighs what the rules found in many texts beside what the model says of them."""
        return Hints(self.model.scenarios, [fact for fact, value in self.model.statements if value == "yes"])

    @cached_property
    def recognizer(self) -> Recognizer:
        """Puts the facts of the rules and of the model together."""
        model = self.model
        return Recognizer(model.statements, self.assertion.fact_of, model.shares(), self._modality, model.untaught())

    def _modality(self, mention: Mention, text: TokenizedText) -> Modality:
        assertion = self.assertion.assess(mention, text)
        return Modality.ALMOST if _NEARLY.intersection(assertion.cues) else assertion.modality

    @property
    def versions(self) -> Mapping[str, str]:
        """What an answer was made with: of the knowledge and of the model."""
        return {"knowledge": self.knowledge.version, "model": self.model.key}

    def features(self, text: str) -> classifier.Features:
        """What the classifier sees of a text."""
        return classifier.features(self.tokenizer.tokenize(text))

    def hints_in(self, text: str) -> list[str]:
        """What is weighed beside the classifier: concepts and facts as the rules find them."""
        ((_, mentions, facts),) = self._read([text])
        return found_in(mentions, facts)

    def ask(self, text: str, *, id: str | int = "case-1", assume: Mapping[str, str] | None = None, questions: bool = True) -> Answer:
        """Answer one complaint.

        `assume` sets facts (`{"paid": "yes"}`, also `payment_method`, several with commas) whatever the text says; `questions=False` saves
        the time of working out what to ask back. A text in another language is out of scope, for review. Raises InputError for an empty or
        overlong text.
        """
        check_text(text)
        return self.answer(_assume(self.understand(text), assume or {}, self.knowledge), id=id, questions=questions)

    def understand(self, text: str) -> Understanding:
        """Tokens, facts, attributes and scores of a text."""
        return self.understand_all([text])[0]

    def understand_all(self, texts: Sequence[str], *, evidence: bool = True) -> list[Understanding]:
        """The same for many texts: scoring them together is cheaper. Without `evidence`, learnt facts show no words, which is cheaper still."""
        if not texts:
            return []
        rows = self._read(texts)
        reading = self.scorer.read([tokens for tokens, _, _ in rows])
        of_scenarios, of_facts = self.hints.weigh([found_in(mentions, read) for _, mentions, read in rows])
        probabilities = self.model.probabilities(reading.values[:, : len(self.model.scenarios)], of_scenarios)
        scores = list(map(ranking.chosen, self.model.ranked(probabilities)))
        values = reading.values[:, len(self.model.scenarios) :]
        heard = self.recognizer.heard(self.recognizer.log_odds(values, probabilities, of_facts), values, alarm=self.model.alarm is not None)
        facts = [self.recognizer.settle(*row, heard[i], partial(reading.clauses, i) if evidence else None) for i, row in enumerate(rows)]
        alarming = self.model.alarm.hear([tokens.normal for tokens, _, _ in rows]) if self.model.alarm else [None] * len(rows)
        ours = [score[0].scenario != OUT_OF_SCOPE or ranking.two_are_close(score) for score in scores]
        alarmed = [self.recognizer.alarmed(rows[i][0], known, alarming[i], heard[i], ours=ours[i]) for i, known in enumerate(facts)]
        read = [self.attributes.read(tokens, mentions, known.facts) for (tokens, mentions, _), known in zip(rows, alarmed, strict=True)]
        return [_understanding(tokens, *rest) for (tokens, _, _), rest in zip(rows, zip(alarmed, read, scores, strict=True), strict=True)]

    def _read(self, texts: Sequence[str]) -> list[tuple[TokenizedText, list[Mention], tuple[Fact, ...]]]:
        """Tokens, mentions and the facts that the rules read: stage by stage, which is faster than text by text."""
        tokens = [self.tokenizer.tokenize(text) for text in texts]
        mentions = self.matcher.match(tokens)
        facts = [self.assertion.determine(m, t) for m, t in zip(mentions, tokens, strict=True)]
        return list(zip(tokens, mentions, facts, strict=True))

    def answer(self, understood: Understanding, *, id: str | int = "case-1", questions: bool = True) -> Answer:
        """From what was understood to the answer."""
        case = understood.case()
        decide, decision = self.decide, self.decide(case)
        scores = ranking.revised(understood.scores, decision.scenario)
        both = ranking.two_are_close(scores) and not understood.unreadable
        if both:
            decide = partial(self._decide_for_both, second=scores[1].scenario)
            decision = decide(case)
        close = lead(scores) < self.model.review_below
        not_ours = scores[0].scenario == OUT_OF_SCOPE
        danger_open = understood.uneasy and (not_ours or understood.doubted) and "danger" not in case.facts
        needs_review = bool(understood.unreadable) or close or (both and not_ours) or danger_open
        if needs_review or scores[0].value < SURE:
            decision = without_answers(decision, self.knowledge)
        asks = questions and not understood.unreadable and (understood.uneasy or not ranking.is_surely_not_ours(scores))
        return Answer(
            id=id,
            scenario=decision.scenario,
            confidence=scores[0].value,
            candidates=scores[:CANDIDATES],
            needs_review=needs_review,
            facts=understood.facts,
            attributes=understood.attributes,
            decision=decision,
            questions=self._questions(case, decision, decide, uneasy=understood.uneasy) if asks else (),
            versions=self.versions,
            decider=understood.unreadable or (_IN_DANGER if danger_open else self._decider(scores) if needs_review else None),
            read_as=understood.text.normal if understood.text.kana else None,
        )

    def decide(self, case: Case) -> Decision:
        """The outcome of the rules: a pure function of the case, remembered by its signature."""
        key = case.signature()
        known = self._decisions.get(key)
        if known is None:
            scenario, firings = self.engine.infer(case)
            known = self._remember(key, self.adviser.decide(scenario, firings, case.prefecture, case.signs))
        return known

    def _decide_for_both(self, case: Case, second: str) -> Decision:
        other = case._replace(scenario=second)
        key = (*case.signature(), second)
        known = self._decisions.get(key)
        if known is None:
            known = self._remember(key, with_second(self.decide(case), self.decide(other), self.knowledge))
        return known

    def _remember(self, key: tuple[object, ...], decision: Decision) -> Decision:
        with self._lock:
            if len(self._decisions) >= _REMEMBERED:
                self._decisions.clear()
            return self._decisions.setdefault(key, decision)

    def _questions(self, case: Case, decision: Decision, decide: Callable[[Case], Decision], *, uneasy: bool) -> tuple[Question, ...]:
        priors = {**self.model.priors.get(decision.scenario, {}), **({"danger": 1.0} if uneasy else {})}
        return ask_back(case, decision, self.knowledge, priors, decide)

    def _decider(self, scores: tuple[Score, ...]) -> str:
        first, second = (self.knowledge.scenarios[s.scenario] for s in scores[:2])
        return f"どちらに近いかで、答えが決まります。(1) {first.is_this} (2) {second.is_this}"


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Python's search for reference cycles takes a tenth of the time of many texts, and there are none to find: it waits until they are done."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parse_assumption(text: str, knowledge_base: KnowledgeBase) -> tuple[str, str]:
    """`paid=yes` -> ("paid", "yes"); several ways of payment stand between commas. Raises InputError naming what is allowed."""
    name, _, value = text.partition("=")
    allowed = tuple(knowledge_base.methods) if name == METHOD else ("yes", "no", "unknown")
    if name != METHOD and name not in knowledge_base.facts:
        raise InputError(f"「{name}」という事実はありません。使えるのは {'、'.join([*knowledge_base.facts, METHOD])} です。")
    if any(one not in allowed for one in (value.split(",") if name == METHOD else [value])):
        raise InputError(f"「{text}」の値は使えません。{name}={'|'.join(allowed)} の形で書いてください。")
    return name, value


def _assume(understood: Understanding, assume: Mapping[str, str], knowledge_base: KnowledgeBase) -> Understanding:
    """Replace facts. An assumed fact has the assumption itself as its evidence, at no place in the text."""
    if not assume:
        return understood
    facts = {f.id: f for f in understood.facts}
    attributes = understood.attributes
    for given in assume.items():
        name, value = parse_assumption("=".join(given), knowledge_base)
        if name == METHOD:
            attributes = attributes._replace(payment_method=tuple(dict.fromkeys([*attributes.payment_method, *value.split(",")])))
        elif value == "unknown":
            facts.pop(name, None)
        else:
            facts[name] = Fact(name, "yes" if value == "yes" else "no", (Evidence("", 0, 0),), "assumed")
    ordered = tuple(facts[f] for f in knowledge_base.facts if f in facts)
    return understood._replace(facts=ordered, attributes=attributes, assumed=True)


def _understanding(tokens: TokenizedText, alarmed: Alarmed, read: tuple[Attributes, tuple[str, ...]], scores: tuple[Score, ...]) -> Understanding:
    reason = unreadable(tokens.text)
    return Understanding(
        tokens, alarmed.facts, *read, ranking.out_of_scope_first(scores) if reason else scores, reason, alarmed.uneasy, alarmed.doubted
    )
