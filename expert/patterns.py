"""Regular expressions that are compiled when they are first needed, and tried only where they can begin.

The lexicon holds thousands of patterns; a text meets a few dozen. Compiling all of them would take seconds at every start, and
searching with all of them milliseconds a text.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, cached_property, lru_cache
from re import _parser  # type: ignore[attr-defined]  # the only way to learn how a pattern can begin
from typing import Any

from expert.errors import KnowledgeError

_NO_ROOM = ("ASSERT", "ASSERT_NOT", "AT")
_MOST, _LONG, _DEEP = 300, 4, 4
"""Bounds on the literal beginnings of a pattern: how many, how long, how deep in its groups."""
_MOST_WITHIN, _RARE = 120, 3
"""Literals that stand within a pattern: more than these, or commoner ones, are not worth looking for."""
_TELLING = re.compile("[^ぁ-ん。、0-9一二三四五六七八九十千万円]")
"""Characters that seldom stand where they are not meant: no hiragana, and nothing of which sums are made."""
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_GROUP = re.compile(r"(?<!\\)\((?!\?)")
_BRACKETS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|[()|]")
_REPEATS = ("?", "*", "+", "{")


def plain_groups(pattern: str) -> str:
    """The pattern with its groups made non-capturing: faster, and free of clashes when patterns are joined."""
    return _GROUP.sub("(?:", pattern)


@lru_cache(maxsize=4)  # one pattern is asked several things in a row
def _parsed(pattern: str) -> Any:
    try:
        return _parser.parse(pattern)
    except re.error as error:
        raise _faulty(pattern, error) from error


@cache  # concepts share many of their words
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise _faulty(pattern, error) from error


def _faulty(pattern: str, error: re.error) -> KnowledgeError:
    return KnowledgeError([f"正規表現「{pattern}」に誤りがあります({error})"])


def beginnings(pattern: str) -> set[str]:
    """Literal strings of which one stands at the start of every match ("" among them where nothing can be said)."""
    if not _SPECIAL.search(pattern):
        return {pattern[:_LONG]}  # no need to parse it: half of the phrases
    items = list(_parsed(pattern))
    found = _beginnings(items, 0)
    return _first(items) or found if "" in found else found


def within(pattern: str) -> set[str]:
    """Literal strings, none of them too common, of which one stands somewhere in every match; empty where that cannot be told."""
    out = set[str]()
    for items in _alternatives(list(_parsed(pattern))):
        found = [_beginnings(items[at:], 0) for at in range(len(items)) if str(items[at][0]) not in _NO_ROOM]
        rare = [strings for strings in found if len(strings) <= _MOST_WITHIN and min(map(_rarity, strings)) >= _RARE]
        if not rare:
            return set()
        out |= max(rare, key=lambda strings: (min(map(_rarity, strings)), -len(strings)))
    return out


def _alternatives(items: list[Any]) -> list[list[Any]]:
    """What may match in place of one another, within the groups around the whole."""
    if len(items) != 1:
        return [items]
    op, argument = items[0]
    if str(op) == "SUBPATTERN":
        return _alternatives(list(argument[3]))
    return [list(branch) for branch in argument[1]] if str(op) == "BRANCH" else [items]


def _rarity(literal: str) -> int:
    """The number of characters, the telling ones twice: して and 出 are everywhere, 送ら and ふつう are not."""
    return len(literal) + len(_TELLING.findall(literal))


def begins_with(pattern: str, literal: str) -> bool:
    """Whether a pattern is some literal characters and a rest that is a pattern of its own."""
    rest = pattern[len(literal) :]
    return (
        bool(literal)
        and pattern.startswith(literal)
        and re.escape(literal) == literal
        and not rest.startswith(_REPEATS)
        and not has_alternatives(rest)
    )


def has_alternatives(pattern: str) -> bool:
    """Whether a | stands outside of all brackets."""
    depth = 0
    for found in _BRACKETS.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if found[0] == "|" and depth == 0:
            return True
    return False


def _beginnings(items: list[Any], depth: int) -> set[str]:
    """Expands alternatives and character classes as long as few strings come of it."""
    done, open_ = set[str](), {""}
    for at, (op, argument) in enumerate(items):
        name = str(op)
        if name in _NO_ROOM:
            continue
        found = _choices(name, argument, items[at + 1 :], depth)
        if found is None:
            return done | open_
        if len(open_) * len(found) > _MOST:
            return done | _shortened(open_, found)
        open_ = {a + b for a in open_ for b in found}
        if name in ("SUBPATTERN", "BRANCH", "MAX_REPEAT") or min(map(len, open_)) >= _LONG:
            return done | open_
    return done | open_


def _shortened(open_: set[str], found: set[str]) -> set[str]:
    """As much of `found` as leaves few strings."""
    for length in (3, 2, 1):
        cut = {f[:length] for f in found}
        if len(open_) * len(cut) <= _MOST:
            return {a + b for a in open_ for b in cut}
    return open_


def _choices(name: str, argument: Any, rest: list[Any], depth: int) -> set[str] | None:
    if name == "LITERAL":
        return {chr(argument)}
    if name == "IN":
        return _first_of_class(argument)
    if depth < _DEEP and name == "SUBPATTERN":
        return _beginnings([*argument[3], *rest], depth + 1)
    if depth < _DEEP and name == "BRANCH":
        return set().union(*[_beginnings([*branch, *rest], depth + 1) for branch in argument[1]])
    if depth < _DEEP and name == "MAX_REPEAT" and argument[:2] == (0, 1):
        return _beginnings([*argument[2], *rest], depth + 1) | _beginnings(rest, depth + 1)
    return None


class LazyPattern:
    """A pattern compiled at its first use."""

    def __init__(self, pattern: str) -> None:
        self.pattern = plain_groups(pattern)

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """Raises KnowledgeError, naming the pattern, if it is no regular expression."""
        return _compiled(self.pattern)

    @cached_property
    def match(self) -> Callable[..., re.Match[str] | None]:
        """`re.Pattern.match` of the compiled pattern, without a look-up on the way."""
        return self.compiled.match

    @cached_property
    def first(self) -> frozenset[str] | None:
        """The characters with which a match can begin; None where that cannot be told."""
        found = _first(_parsed(self.pattern))
        return None if found is None else frozenset(found)

    @cached_property
    def guarded(self) -> re.Pattern[str]:
        """The same pattern, made to give up at once at characters with which no match can begin: for searching."""
        if self.first is None:
            return self.compiled
        characters = "".join(map(re.escape, sorted(self.first)))
        try:
            return _compiled(f"(?=[{characters}])(?:{self.pattern})")
        except KnowledgeError:
            return self.compiled  # which names the pattern as it was written


def any_of(strings: Iterable[str]) -> str:
    """A pattern for one of some literal strings, as a tree of their characters: alternatives that share a beginning are tried as one.

    It says only where one of them begins: of あす and あすか the shorter is enough.
    """
    by_first: dict[str, list[str]] = {}
    for string in strings:
        if not string:
            return ""
        by_first.setdefault(string[0], []).append(string[1:])
    branches = [re.escape(char) + any_of(rests) for char, rests in sorted(by_first.items())]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


class Searcher:
    """A pattern to search with: cheap where none of its literal beginnings stands, which is nearly everywhere. Compiled at its first use."""

    def __init__(self, pattern: str) -> None:
        self._pattern = LazyPattern(pattern)

    @cached_property
    def _start(self) -> re.Pattern[str]:
        return _compiled(any_of(beginnings(self._pattern.pattern)))

    def search(self, text: str, start: int, end: int) -> re.Match[str] | None:
        """The first match between two places."""
        first = self._start.search(text, start, end)
        return self._pattern.guarded.search(text, first.start(), end) if first else None


@cache
def _name(group: str | None) -> str:
    return str(group).rsplit("__", 1)[0]


class PatternTable:
    """Many patterns of which the first in the list that matches counts; only those that can begin with the next character are tried."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        """`rows`: pattern and name, the most important first."""
        self._rows = [(LazyPattern(pattern), name) for pattern, name in rows]
        self._by_character: dict[str, re.Pattern[str]] = {}

    def match(self, text: str, at: int) -> tuple[str, int] | None:
        """Name of the pattern that matches at a place, and where the match ends."""
        if at >= len(text):
            return None
        compiled = self._by_character.get(text[at])
        if compiled is None:
            compiled = self._by_character[text[at]] = self._compile(text[at])
        found = compiled.match(text, at)
        return (_name(found.lastgroup), found.end()) if found else None

    def _compile(self, char: str) -> re.Pattern[str]:
        rows = [(p.pattern, name) for p, name in self._rows if p.first is None or char in p.first]
        try:
            return _compiled("|".join(f"(?P<{name}__{i}>{pattern})" for i, (pattern, name) in enumerate(rows)) or r"(?!)")
        except KnowledgeError:
            for pattern, _ in rows:
                _compiled(pattern)  # names the faulty one as it was written
            raise


def _first(parsed: Any) -> set[str] | None:
    """First characters of a parsed sequence (None: anything). Assertions take no room and are passed over."""
    out: set[str] = set()
    for op, argument in parsed:
        name = str(op)
        if name in _NO_ROOM:
            continue
        found, optional = _first_of(name, argument)
        if found is None:
            return None
        out |= found
        if not optional:
            return out
    return None


def _first_of(name: str, argument: Any) -> tuple[set[str] | None, bool]:
    """First characters of one item, and whether it can match nothing."""
    if name == "LITERAL":
        return {chr(argument)}, False
    if name == "SUBPATTERN":
        return _first(argument[3]), False
    if name == "BRANCH":
        branches = [_first(branch) for branch in argument[1]]
        return (None if any(b is None for b in branches) else set().union(*[b for b in branches if b])), False
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        return _first(argument[2]), argument[0] == 0
    if name == "IN":
        return _first_of_class(argument), False
    return None, False


def _first_of_class(items: Any) -> set[str] | None:
    out: set[str] = set()
    for op, argument in items:
        if str(op) == "LITERAL":
            out.add(chr(argument))
        elif str(op) == "RANGE" and argument[1] - argument[0] < 200:
            out |= set(map(chr, range(argument[0], argument[1] + 1)))
        else:
            return None
    return out
