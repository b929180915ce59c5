"""What a regular expression says of the texts that it matches: with which literal characters they begin, and which stand in them."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
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
_BRACKETS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|[()|]")
_REPEATS = ("?", "*", "+", "{")


@lru_cache(maxsize=4)  # one pattern is asked several things in a row
def _parsed(pattern: str) -> Any:
    try:
        return _parser.parse(pattern)
    except re.error as error:
        raise faulty(pattern, error) from error


def faulty(pattern: str, error: re.error) -> KnowledgeError:
    """The error that names a pattern which is no regular expression."""
    return KnowledgeError([f"正規表現「{pattern}」に誤りがあります({error})"])


def first_characters(pattern: str) -> frozenset[str] | None:
    """The characters with which a match can begin; None where that cannot be told."""
    found = _first(_parsed(pattern))
    return None if found is None else frozenset(found)


class Literals:
    """`beginnings` and `within`, remembered: working them out takes most of the time in which a matcher is made."""

    def __init__(self, known: Mapping[str, list[str]] | None = None) -> None:
        """`known`: `asked` of another one, perhaps from a file."""
        self._known = known or {}
        self.asked = dict[str, list[str]]()
        """By what was asked and the pattern: all that was asked of this one."""

    def beginnings(self, pattern: str) -> set[str]:
        """See the function."""
        return self._of("^" + pattern, beginnings) if _SPECIAL.search(pattern) else beginnings(pattern)

    def within(self, pattern: str) -> set[str]:
        """See the function."""
        return self._of("*" + pattern, within)

    def _of(self, key: str, tell: Callable[[str], set[str]]) -> set[str]:
        found = self.asked.get(key)
        if found is None:
            known = self._known.get(key)
            found = self.asked[key] = sorted(tell(key[1:])) if known is None else known
        return set(found)


def beginnings(pattern: str, most: int = _MOST) -> set[str]:
    """Literal strings, at most `most`, of which one stands at the start of every match ("" among them where nothing can be said)."""
    if not _SPECIAL.search(pattern):
        return {pattern[:_LONG]}  # no need to parse it: half of the phrases
    items = list(_parsed(pattern))
    found = _beginnings(items, 0, most)
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


def _beginnings(items: list[Any], depth: int, most: int = _MOST) -> set[str]:
    """Expands alternatives and character classes as long as few strings come of it."""
    done, open_ = set[str](), {""}
    for at, (op, argument) in enumerate(items):
        name = str(op)
        if name in _NO_ROOM:
            continue
        found = _choices(name, argument, items[at + 1 :], depth, most)
        if found is None:
            return done | open_
        if len(open_) * len(found) > most:
            return done | _shortened(open_, found, most)
        open_ = {a + b for a in open_ for b in found}
        if name in ("SUBPATTERN", "BRANCH", "MAX_REPEAT") or min(map(len, open_)) >= _LONG:
            return done | open_
    return done | open_


def _shortened(open_: set[str], found: set[str], most: int) -> set[str]:
    """As much of `found` as leaves few strings."""
    for length in (3, 2, 1):
        cut = {f[:length] for f in found}
        if len(open_) * len(cut) <= most:
            return {a + b for a in open_ for b in cut}
    return open_


def _choices(name: str, argument: Any, rest: list[Any], depth: int, most: int) -> set[str] | None:
    if name == "LITERAL":
        return {chr(argument)}
    if name == "IN":
        return _first_of_class(argument)
    if depth < _DEEP and name == "SUBPATTERN":
        return _beginnings([*argument[3], *rest], depth + 1, most)
    if depth < _DEEP and name == "BRANCH":
        return set().union(*[_beginnings([*branch, *rest], depth + 1, most) for branch in argument[1]])
    if depth < _DEEP and name == "MAX_REPEAT" and argument[:2] == (0, 1):
        return _beginnings([*argument[2], *rest], depth + 1, most) | _beginnings(rest, depth + 1, most)
    return None


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
