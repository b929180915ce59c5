"""Make `rules/kana.tsv`, with which texts in kana are read (`expert/kana_kanji.py`): `python eval/kana_units.py`.

Counted are the words of the training corpus and sequences of up to four of them, by their readings in Sudachi's dictionary. Then the corpus itself,
written out in kana, is cut into units by those counts, and only what is used often enough stays, round after round (as Kudo 2018 does for subwords).
At the end: how much of the test split, written out in kana, comes back as it was.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import cache, partial
from pathlib import Path

from sudachipy import Dictionary, SplitMode

from eval.baselines import say
from expert import corpus, knowledge
from expert.kana_kanji import DIGIT, LONGEST, KanaKanjiConverter, Units, read, to_hiragana
from expert.tokenizer import _configuration, fold

FEWEST = (3, 10, 15, 20)
"""How often a word, and a sequence of two, three and four words, has to occur to be looked at."""
USED = (3, 6, 10, 14, 18)
"""How often a unit has to be used, in each round, to stay."""
LEAST_KANJI = 0.08
"""Share of kanji from which a text shows how words are usually written."""
USUAL = {"にっぽん": "にほん", "わたくし": "わたし"}
"""Readings of which the dictionary gives the more formal one alone."""
HEADER = """# かなだけで書かれた文を、ふつうの書き方に直して読むための表(読み、書き方、回数)。0 はどの数字でもよい。
# python eval/kana_units.py が学習用の例文から作る。下の「手で足したもの」は、そのまま残る。
"""
BY_HAND = "# 手で足したもの\n"
_READING = re.compile(r"[ぁ-ゖー]+\Z")
_WRITTEN = re.compile(r"[ぁ-ゖァ-ー一-鿿々〆]+\Z")

Word = tuple[str, str]
"""How it is written and how it is read."""


@cache
def _sudachi() -> object:
    return Dictionary(dict="core", config=_configuration()).tokenizer(mode=SplitMode.C)


def runs(texts: Iterable[str]) -> Iterator[list[Word]]:
    """Words that follow each other without a mark between them; digits are words."""
    for text in texts:
        normal, _ = fold(text)
        if sum("一" <= char <= "鿿" for char in normal) < LEAST_KANJI * len(normal):
            continue
        run: list[Word] = []
        for morpheme in _sudachi().tokenize(normal):  # type: ignore[attr-defined]
            written, reading = normal[morpheme.begin() : morpheme.end()], to_hiragana(morpheme.reading_form())
            for formal, usual in USUAL.items():
                reading = reading.replace(formal, usual)
            if written.isdecimal():
                run += [(DIGIT, DIGIT)] * len(written)
            elif not morpheme.is_oov() and _READING.match(reading) and _WRITTEN.match(written):
                run.append((written, reading))
            elif run:
                yield run
                run = []
        if run:
            yield run


def counted(found: Iterable[Sequence[Word]]) -> Units:
    """Every sequence that occurs often enough, as it is written most often."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    lengths: dict[str, int] = {}
    for run in found:
        for start in range(len(run)):
            written = reading = ""
            for length, word in enumerate(run[start : start + len(FEWEST)], start=1):
                written, reading = written + word[0], reading + word[1]
                if len(reading) > LONGEST:
                    break
                seen[reading][written] += 1
                lengths[reading] = min(length, lengths.get(reading, length))
    best = {reading: counts.most_common(1)[0] for reading, counts in seen.items()}
    return {reading: top for reading, top in best.items() if top[1] >= FEWEST[lengths[reading] - 1]}


def used(units: Units, readings: Iterable[str], fewest: int) -> Units:
    """The units that are used often enough where the readings are cut by all of them, with how often they are."""
    converter = KanaKanjiConverter(lambda: units)
    counts = Counter(reading[start:end] for reading in readings for start, end, _ in converter.pieces(reading))
    return {reading: (units[reading][0], n) for reading, n in counts.items() if n >= fewest and reading in units}


def by_hand(file: Path) -> str:
    """The lines that somebody has added."""
    return file.read_text(encoding="utf-8").partition(BY_HAND)[2] if file.is_file() else ""


def likeness(converter: KanaKanjiConverter, found: Iterable[Sequence[Word]]) -> float:
    """Of what was written out in kana: the share of characters that come back as they were, weighed by length."""
    same = total = 0.0
    for run in found:
        written, reading = ("".join(word[i] for word in run) for i in (0, 1))
        back = "".join(surface for _, _, surface in converter.pieces(reading))
        total += len(written)
        same += len(written) * SequenceMatcher(None, written, back, autojunk=False).ratio()
    return same / total


def main() -> None:
    """Count, cut, write, and say how well it works."""
    kb = knowledge.load()
    file = knowledge.default_directory() / "kana.tsv"
    found = list(runs(e.text for e in corpus.load(corpus.training_files(), kb.scenarios, kb.facts)))
    units = counted(found)
    say(f"数えた単位: {len(units):,}")
    readings = ["".join(reading for _, reading in run) for run in found]
    for fewest in USED:
        units = used(units, readings, fewest)
        say(f"{fewest}回以上使われた単位: {len(units):,}")
    kept = by_hand(file)
    better = {line.split("\t")[0] for line in kept.splitlines()}
    lines = [f"{reading}\t{written}\t{n}\n" for reading, (written, n) in sorted(units.items()) if reading not in better]
    file.write_text(HEADER + "".join(lines) + BY_HAND + kept, encoding="utf-8")
    test = corpus.load(sorted((Path(__file__).parent.parent / "corpus" / "test").glob("*.jsonl")), kb.scenarios, kb.facts)
    share = likeness(KanaKanjiConverter(partial(read, file)), runs(e.text for e in test))
    print(f"{len(lines):,} units, {file.stat().st_size:,} bytes; of the test split, written out in kana, {share:.3f} of the characters come back")


if __name__ == "__main__":
    main()
