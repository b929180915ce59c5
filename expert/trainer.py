"""Labelled files -> `Model`: their texts are read and counted in two processes, then `expert.training` fits them, and the alarm beside."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from expert import alarm, classifier, corpus, counting, training
from expert.alarm import Alarm
from expert.classifier import Features, Model
from expert.knowledge import KnowledgeBase
from expert.parallel import beside
from expert.tokenizer import Tokenizer


def train(files: list[Path], knowledge_base: KnowledgeBase, tokenizer: Tokenizer, key: str) -> Model:
    """Train on labelled files, and on the sentences of danger beside them. Raises EvaluationError for a line with a fault, or too few examples."""
    examples = corpus.load(files, knowledge_base.scenarios, knowledge_base.facts)
    texts = [e.text for e in examples]
    middle = max(1, len(texts) * 12 // 25)  # the process with fewer texts has more to load
    rest = beside(lambda: counting.count(countable(texts[middle:], tokenizer)))
    counts = counting.joined(counting.count(countable(texts[:middle], tokenizer)), rest)
    unknown = dict.fromkeys(knowledge_base.facts, "unknown")
    facts = [{**unknown, **e.facts, **dict.fromkeys(e.unsure_facts, "unsure")} for e in examples]
    alarm_beside = beside(partial(_alarm, corpus.sentences(corpus.danger_files(files)), examples, tokenizer))
    model = training.train(counts, [e.scenario for e in examples], facts, [e.writer for e in examples], key)
    return replace(model, alarm=alarm_beside())


def countable(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[Features, str]]:
    """Of each text the features that `counting.count` does not take from its characters, and these."""
    return ((classifier.words(tokens), tokens.normal) for tokens in map(tokenizer.tokenize, texts))


def _alarm(sentences: Sequence[tuple[str, bool]], examples: Sequence[corpus.Example], tokenizer: Tokenizer) -> Alarm | None:
    """Learnt from the sentences, from texts of one sentence that speak of danger, and from every third story without."""
    safe = [e for e in examples[::3] if e.facts.get("danger") != "yes" and "danger" not in e.unsure_facts]
    normal = tokenizer.normal
    cries = [normal(e.text) for e in examples if e.facts.get("danger") == "yes"]
    said = [(normal(sentence), danger) for sentence, danger in sentences] + [(cry, True) for cry in cries if len(alarm.sentences(cry)) == 1]
    return training.fit_alarm(said if sentences else [], [normal(e.text) for e in safe])
