"""Make rules/word_classes.txt: words grouped by meaning, from the word vectors that the ja_ginza package carries (chiVe, Apache-2.0).

    pip install 'kakekomi[eval]' && python eval/word_classes.py

k-means (600 groups, fixed seed) over the unit vectors of the most frequent words. The file is data like any other lexicon: it may be read,
corrected and diffed; only its making needs the package.
"""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import spacy
from sklearn.cluster import KMeans

WORDS, GROUPS = 40_000, 600
TARGET = Path(__file__).parent.parent / "rules" / "word_classes.txt"
HEAD = """# Words grouped by meaning: one group a line, most frequent word first. Made by eval/word_classes.py from the chiVe vectors
# (Works Applications, Apache-2.0) in the ja_ginza package. The classifier reads a word also as its group, so that 佐川 helps where only
# ヤマト was seen.
"""


def frequent_words() -> tuple[list[str], np.ndarray]:
    """The most frequent words that have a vector, and their unit vectors [words, 300]."""
    vocabulary = spacy.load("ja_ginza").vocab
    words, rows = [], []
    for key, row in vocabulary.vectors.key2row.items():
        word = vocabulary.strings[key]
        if row >= 0 and re.search(r"[ぁ-んァ-ヶ一-鿿a-zA-Z]", word) and not re.search(r"[\s#]", word):
            words.append(word)
            rows.append(row)
        if len(words) == WORDS:
            break
    vectors = vocabulary.vectors.data[rows]
    return words, vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def main() -> None:
    words, vectors = frequent_words()
    labels = KMeans(GROUPS, random_state=0, n_init=1, max_iter=60).fit_predict(vectors)
    groups: dict[int, list[str]] = defaultdict(list)
    for word, label in zip(words, labels, strict=True):
        groups[int(label)].append(word)
    lines = sorted((" ".join(group) for group in groups.values()), key=lambda line: words.index(line.split(" ", 1)[0]))
    TARGET.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
