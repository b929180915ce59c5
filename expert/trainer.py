"""Labelled files -> `Model`: their texts are read and counted in two processes, then `expert.training` fits them, and the alarm beside."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from expert import classifier, corpus, counting, training
from expert.alarm import Alarm
from expert.classifier import Features, Model
from expert.knowledge import KnowledgeBase
from expert.parallel import beside
from expert.tokenizer import Tokenizer


def train(files: list[Path], knowledge_base: KnowledgeBase, tokenizer: Tokenizer, key: str) -> Model:
    """Train on labelled files, and on those about danger beside them. Raises EvaluationError for a line with a fault, or too few examples."""
    sentences, more = corpus.danger_files(files)
    ordinary, stories = (corpus.load(found, knowledge_base.scenarios, knowledge_base.facts) for found in (files, more))
    examples = [*ordinary, *stories]
    texts = [e.text for e in examples]
    middle = max(1, len(texts) * 12 // 25)  # the process with fewer texts has more to load
    rest = beside(lambda: counting.count(countable(texts[middle:], tokenizer)))
    counts = counting.joined(counting.count(countable(texts[:middle], tokenizer)), rest)
    alarm_beside = beside(partial(alarm, corpus.sentences(sentences), examples, tokenizer))
    labels = [e.scenario for e in ordinary]
    model = training.train(counts, labels, taught(ordinary, stories, knowledge_base.facts), [e.writer for e in examples], key)
    return replace(model, alarm=alarm_beside())


def taught(ordinary: Iterable[corpus.Example], stories: Iterable[corpus.Example], facts: Iterable[str]) -> list[dict[str, str]]:
    """What each example, and then each story of danger, teaches of each fact: yes, no, unknown, or unsure, which is nothing."""
    unknown = dict.fromkeys(facts, "unknown")
    all_stated = [{**unknown, **e.facts, **dict.fromkeys(e.unsure_facts, "unsure")} for e in ordinary]
    unsure = dict.fromkeys(unknown, "unsure")
    of_danger = ["unsure" if "danger" in e.unsure_facts else e.facts.get("danger", "unknown") for e in stories]
    return [*all_stated, *({**unsure, "danger": value} for value in of_danger)]


def countable(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[Features, str]]:
    """Of each text the features that `counting.count` does not take from its characters, and these."""
    return ((classifier.words(tokens), tokens.normal) for tokens in map(tokenizer.tokenize, texts))


def alarm(sentences: Sequence[tuple[str, bool]], examples: Sequence[corpus.Example], tokenizer: Tokenizer) -> Alarm | None:
    """The alarm, learnt from the sentences, from stories that speak of danger, and from every other story without."""
    safe = [e for e in examples[::2] if e.facts.get("danger") != "yes" and "danger" not in e.unsure_facts]
    normal = tokenizer.normal
    said = [(normal(sentence), danger) for sentence, danger in sentences]
    return training.fit_alarm(said, [normal(e.text) for e in examples if e.facts.get("danger") == "yes"], [normal(e.text) for e in safe])
