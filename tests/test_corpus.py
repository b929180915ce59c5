"""The corpus: every line loads, no near copies within or across the splits, and enough of everything."""

import re
import unicodedata
from collections import Counter, defaultdict
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest

from expert import corpus, knowledge
from expert.corpus import Example
from expert.errors import EvaluationError

from .conftest import ROOT

KNOWLEDGE = knowledge.load()
FEWEST, FEWEST_OUT_OF_SCOPE = 100, 250
RUN = 6


def _load(split: str) -> list[Example]:
    files = sorted((ROOT / "corpus" / split).glob("*.jsonl"))
    return corpus.load(files, KNOWLEDGE.scenarios, KNOWLEDGE.facts)


SPLITS = ("train", "test", "borders", "alarms", "unseen")
TRAIN, TEST, *REST = map(_load, SPLITS)
MEASURED = [*TEST, *chain.from_iterable(REST)]


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).ljust(RUN)


def _runs(bare: str) -> frozenset[str]:
    return frozenset(bare[i : i + RUN] for i in range(len(bare) - RUN + 1))


def _near_copies(examples: list[Example]) -> list[tuple[str, str]]:
    """Pairs that share at least half of their runs of six characters.

    Such a pair shares one of the rarer half of the runs of each (prefix filter, Chaudhuri et al. 2006): only texts that meet there are compared.
    """
    bare = [_bare(e.text) for e in examples]
    codes = np.frombuffer("".join(bare).encode("utf-32-le"), np.uint32).astype(np.uint64)
    owner = np.repeat(np.arange(len(bare)), list(map(len, bare)))
    ends = len(codes) - RUN + 1
    hashed = sum((codes[i : ends + i] * np.uint64(pow(1_000_003, i, 2**64)) for i in range(RUN)), np.zeros(ends, np.uint64))
    inside = owner[:ends] == owner[RUN - 1 :]
    _, number = np.unique(hashed[inside], return_inverse=True)
    owner, number = np.divmod(np.unique(owner[:ends][inside] * len(codes) + number), len(codes))  # each run of a text once
    count = np.bincount(number)
    order = np.lexsort((count[number], owner))
    owner, number = owner[order], number[order]
    size = np.bincount(owner)
    rarer = np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size) <= size[owner] // 2
    met = rarer & (count[number] > 1)
    meeting: dict[int, list[int]] = defaultdict(list)
    for text, run in zip(owner[met].tolist(), number[met].tolist(), strict=True):
        meeting[run].append(text)
    pairs = {pair for texts in meeting.values() for pair in combinations(texts, 2)}
    own = {i: _runs(bare[i]) for pair in pairs for i in pair}
    return [(examples[i].id, examples[j].id) for i, j in sorted(pairs) if len(own[i] & own[j]) >= 0.5 * max(len(own[i]), len(own[j]))]


def test_near_copies_are_found() -> None:
    texts = [
        "通販で靴を買ったのに届きません。店に電話しても出ません",
        "通販で鞄を買ったのに届きません。店に電話しても出ません",
        "まったく別の話です",
        "はい",
        "は い",
    ]
    examples = [corpus.Example(str(i), text, "phishing") for i, text in enumerate(texts)]
    assert _near_copies(examples) == [("0", "1"), ("3", "4")]


def test_no_near_copies_within_or_across_the_splits() -> None:
    assert _near_copies([*MEASURED, *TRAIN]) == []


def test_splits_are_by_writer() -> None:
    writers = [{e.writer for e in split} for split in (TRAIN, TEST, *REST)]
    assert len(set().union(*writers)) == sum(map(len, writers))


@pytest.mark.parametrize("split", [TRAIN, TEST, *REST], ids=SPLITS)
def test_two_readers_stand_behind_every_label(split: list[Example]) -> None:
    assert [e.id for e in split if e.second not in (e.scenario, *e.accept)] == []


def test_a_fifth_of_the_texts_is_long() -> None:
    assert sum(len(e.text) > 250 for e in TRAIN) >= len(TRAIN) / 5


def test_what_readers_see_otherwise_is_not_measured() -> None:
    assert any(e.open_facts for e in TEST)
    assert all(set(e.open_facts) <= set(e.unsure_facts) for e in TEST)
    assert not any(e.open_facts for e in [*TRAIN, *chain.from_iterable(REST)])


def test_ids_are_unique() -> None:
    assert [i for i, n in Counter(e.id for e in [*TRAIN, *MEASURED]).items() if n > 1] == []


@pytest.mark.parametrize("scenario", KNOWLEDGE.scenarios)
def test_each_scenario_has_examples_with_facts(scenario: str) -> None:
    own = [e for e in TRAIN if e.scenario == scenario]
    assert len(own) >= (FEWEST_OUT_OF_SCOPE if scenario == "out_of_scope" else FEWEST)
    assert scenario == "out_of_scope" or sum(bool(e.facts) for e in own) >= len(own) // 3


def test_each_fact_is_stated_somewhere() -> None:
    stated = Counter((f, v) for e in TRAIN for f, v in e.facts.items())
    assert all(stated[f, "yes"] >= 10 for f in KNOWLEDGE.facts)


BAD_LINES = [
    ('{"id": 1, "text": "x", "scenario": "nope"}', "x.jsonl:1行目: 場面「nope」は使えません(使えるのは unjust_billing、"),
    ('{"id": 1, "text": "x", "scenario": "phishing", "facts": {"paid": "maybe"}}', "x.jsonl:1行目: 事実「paid=maybe」は使えません"),
    ('{"id": 1, "text": "", "scenario": "phishing"}', "x.jsonl:1行目: text が空です"),
    ('{"id": 1, "scenario": "phishing"}', "x.jsonl:1行目: 項目 'text' がありません"),
    ('{"id": 1, "text": "x", "scenario": "phishing", "note": 1}', "x.jsonl:1行目: 知らない項目です: note"),
    ('{"id": 1, "text": "x", "scenario": ["phishing"]}', "x.jsonl:1行目: scenario は文字にしてください"),
    ('{"id": 1, "text": "x", "scenario": "phishing", "accept": "spam"}', "x.jsonl:1行目: accept は[…] の並びにしてください"),
    ('{"id": 1, "text": "x", "scenario": "phishing", "accept": [3]}', "x.jsonl:1行目: 場面「3」は使えません"),
    ('{"id": 1, "text": "x", "scenario": "phishing", "facts": ["paid"]}', "x.jsonl:1行目: facts は{…} の組にしてください"),
    ('{"id": 1, "text": "x", "scenario": "phishing", "unsure_facts": ["payed"]}', "x.jsonl:1行目: unsure_facts の「payed」は使えません"),
    ('{"id": 1, "text": "x", "scenario": "phishing", "open_facts": ["payed"]}', "x.jsonl:1行目: open_facts の「payed」は使えません"),
    ("{", "x.jsonl:1行目: JSONとして読めません(2文字目)"),
    ('{"a":' * 99_999, "x.jsonl:1行目: JSONとして読めません(桁の多すぎる数か"),
    ("9" * 5_000, "x.jsonl:1行目: JSONとして読めません(桁の多すぎる数か"),
    ("[]", "x.jsonl:1行目: 一行は"),
]


@pytest.mark.parametrize(("line", "fault"), BAD_LINES)
def test_a_bad_line_is_named(tmp_path: Path, line: str, fault: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError) as error:
        corpus.load([file], KNOWLEDGE.scenarios, KNOWLEDGE.facts)
    assert fault in str(error.value)


def test_sentences_of_danger_are_on_both_sides_and_none_stands_twice() -> None:
    found = corpus.sentences(corpus.danger_files(corpus.training_files())[0])
    assert len({sentence for sentence, _ in found}) == len(found)
    assert all(0.4 < sum(danger == side for _, danger in found) / len(found) < 0.6 for side in (True, False))


def test_no_sentence_of_danger_stands_in_a_text_or_line_that_is_measured() -> None:
    lines = [
        line.split("\t")[-1] for file in sorted((ROOT / "tests" / "language").glob("*.tsv")) for line in file.read_text(encoding="utf-8").splitlines()
    ]
    sentences = [sentence for sentence, _ in corpus.sentences(corpus.danger_files(corpus.training_files())[0])]
    found_in: dict[str, set[int]] = defaultdict(set)
    for number, text in enumerate([*(e.text for e in MEASURED), *lines]):
        for run in _runs(_bare(text)):
            found_in[run].add(number)
    shared = {s: Counter(number for run in _runs(_bare(s)) for number in found_in.get(run, ())) for s in sentences}
    assert [s for s in sentences if max(shared[s].values(), default=0) >= 0.5 * len(_runs(_bare(s)))] == []


@pytest.mark.parametrize("line", ["maybe\t屋根にいる\tw", "yes\t \tw", "屋根にいる"])
def test_a_bad_line_of_sentences_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "danger.tsv"
    file.write_text(f"yes\t屋根にいる\tw\n{line}\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"danger\.tsv:2行目"):
        corpus.sentences([file])
