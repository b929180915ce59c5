"""Facts from two readers: the rules of assertion, and the model that has learnt from whole stories which words come with a fact.

The rules tell 払った from 払いそうになった and 払わなかった, and show their words; they miss what a long story says in a roundabout way.
The model sees that, but not who did what: it is not asked about a short text, and must be surer where the rules found the
fact spoken of without being stated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from expert.domain import Evidence, Fact, Mention, TokenizedText

_SHORT_TEXT = 50
"""Characters up to which the rules alone are heard: a sentence or two turn on a cue, not on their words."""
_KEEP, _ADD, _ADD_SPOKEN_OF = -0.2, 0.0, 0.15
"""Values of the model above which a `yes` of the rules is kept, and one of its own is added: without, or beside a mention that states nothing.

Chosen on the development cases (one value for all facts, so that little is fitted to them).
"""
_NEVER_DROPPED = "danger"
LEARNT = "learnt"
"""How `Fact.why` begins where the model says so."""

Clauses = Callable[[TokenizedText, Sequence[str]], Sequence[tuple[int, int]]]
"""For each fact the span of the normal text that speaks most for it."""


class Recognizer:
    """Puts the two readers together. Values in, values out; safe for several threads."""

    def __init__(self, names: Sequence[str], fact_of: Mapping[str, str]) -> None:
        """`names`: the facts that the model knows, in the order of the knowledge base; `fact_of`: the fact of each concept."""
        self._names = tuple(names)
        self._place = {name: i for i, name in enumerate(names)}
        self._fact_of = fact_of

    def settle(
        self, text: TokenizedText, mentions: Iterable[Mention], read: Iterable[Fact], values: Sequence[float], clauses: Clauses | None
    ) -> tuple[Fact, ...]:
        """The facts of a text: `read` are those of the rules, `values` the model's, one for each name.

        `clauses` finds the words of what the model adds; without it these facts show none.
        """
        if len(text.normal) <= _SHORT_TEXT:
            return tuple(read)
        known = {fact.id: fact for fact in read}
        spoken_of = {self._fact_of.get(mention.concept) for mention in mentions}
        by_name = zip(self._names, values, strict=True)
        learnt = [(n, v) for n, v in by_name if v > _ADD and n not in known and (v > _ADD_SPOKEN_OF or n not in spoken_of)]
        kept = {n: fact for n, fact in known.items() if fact.value == "no" or n == _NEVER_DROPPED or values[self._place[n]] > _KEEP}
        if not learnt:
            return tuple(kept.values())
        kept |= _learnt(learnt, text, clauses)
        return tuple(kept[name] for name in self._names if name in kept)


def _learnt(learnt: Sequence[tuple[str, float]], text: TokenizedText, clauses: Clauses | None) -> dict[str, Fact]:
    if clauses is None:
        return {name: Fact(name, "yes", (), LEARNT) for name, _ in learnt}
    spans = [text.original(*clause) for clause in clauses(text, [name for name, _ in learnt])]
    evidence = [Evidence(text.text[span.start : span.end], span.start, span.end) for span in spans]
    return {name: Fact(name, "yes", (e,), f"{LEARNT}[{value:+.2f}]") for (name, value), e in zip(learnt, evidence, strict=True)}
