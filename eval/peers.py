"""Other systems on the same texts in the same run, for `speed.py`: GiNZA's pipeline, and CLIPS with the same rules."""

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from eval.clips_rules import Clips
from expert.domain import Case
from expert.pipeline import Expert

Rows = list[tuple[str, str]]
"""Label and figure, as they stand in the table."""


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


_GINZA = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import spacy
from sudachipy import Dictionary, SplitMode
texts = json.load(sys.stdin)
nlp, sudachi = spacy.load("ja_ginza"), Dictionary(dict="core").create(mode=SplitMode.C)
out = []
for work in (lambda: list(nlp.pipe(texts)), lambda: [list(sudachi.tokenize(t)) for t in texts]):
    work()
    start = time.perf_counter(); work(); out.append(len(texts) / (time.perf_counter() - start))
print(json.dumps(out))
"""


def ginza(expert: Expert, texts: list[str], given: argparse.Namespace) -> Rows:
    """GiNZA's pipeline alone, in its own process, with Sudachi beside it and this project right after."""
    some = texts[:200]
    done = subprocess.run([given.ginza_python, "-c", _GINZA], input=json.dumps(some), capture_output=True, text=True, check=False)
    if done.returncode:
        return [("GiNZA", "not installed (a Python with `kakekomi[eval]`, named by `--ginza-python`)")]
    rate, alone = json.loads(done.stdout.splitlines()[-1])
    own = len(some) / statistics.median(seconds(lambda: [expert.ask(t, questions=False) for t in some]) for _ in range(3))
    return [
        ("GiNZA's pipeline alone (ja_ginza, no advice)", f"{rate:,.0f} texts/s ({rate / alone:.3f} of Sudachi in that process)"),
        ("kakekomi, one text at a time, same texts", f"{own:,.0f} texts/s, {own / rate:.0f} times GiNZA"),
    ]


def forget(expert: Expert) -> None:
    """Whatever the rules made of earlier cases."""
    expert._decisions.clear()
    expert.engine.forget()
    expert.adviser.forget()


def clips(expert: Expert, texts: list[str], _: argparse.Namespace) -> Rows:
    """CLIPS with the same rules on the same facts; both must fire the same rules."""
    read = [u.case()._replace(settled=False) for u in expert.understand_all(texts[:3000])]  # CLIPS is always allowed to revise
    cases = list({c.signature(): c for c in read}.values())
    peer = Clips(expert.knowledge)

    def forgetful(case: Case) -> object:
        forget(expert)  # CLIPS remembers nothing either
        return expert.engine.infer(case)

    same = sum(set(peer.infer(c)) == {f.rule for f in expert.engine.infer(c)[1]} for c in cases)
    rounds = [[seconds(partial(_each, infer, cases)) for infer in (peer.infer, forgetful)] for _ in range(3)]
    theirs, ours = (len(cases) / statistics.median(r[i] for r in rounds) for i in (0, 1))
    return [
        (f"CLIPS (clipspy), {len(cases)} different cases, {len(expert.knowledge.rules)} rules", f"{theirs:,.0f} cases/s"),
        ("durable_rules as used here, same cases, nothing remembered", f"{ours:,.0f} cases/s, {ours / theirs:.2f} of CLIPS"),
        ("cases in which both fire the same rules", f"{same} of {len(cases)}"),
    ]


def _each(infer: Callable[[Any], object], cases: Sequence[Any]) -> None:
    for case in cases:
        infer(case)
