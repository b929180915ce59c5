"""Regular expressions that are compiled when they are first needed, and tried only where they can begin.

The lexicon holds thousands of patterns; a text meets a few dozen. Compiling all of them would take seconds at every start, and
searching with all of them milliseconds a text.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from re import _parser  # type: ignore[attr-defined]  # the only way to learn how a pattern can begin
from typing import Any

from expert.errors import KnowledgeError

_META = set(r".^$*+?{}[]\|()")
_GROUP = re.compile(r"(?<!\\)\((?!\?)")


def plain_groups(pattern: str) -> str:
    """The pattern with its groups made non-capturing: faster, and free of clashes when patterns are joined."""
    return _GROUP.sub("(?:", pattern)


def literal_prefix(pattern: str) -> str:
    """The literal characters with which every match begins ("" if there are none)."""
    if _top_level_alternative(pattern):
        return ""
    prefix = ""
    for char in pattern:
        if char in _META:
            return prefix[:-1] if char in "?*{" else prefix
        prefix += char
    return prefix


def _top_level_alternative(pattern: str) -> bool:
    depth, skip, in_class = 0, False, False
    for char in pattern:
        if skip:
            skip = False
        elif char == "\\":
            skip = True
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "|" and depth == 0:
            return True
        else:
            depth += (char == "(") - (char == ")")
    return False


class LazyPattern:
    """A pattern compiled at its first use."""

    def __init__(self, pattern: str) -> None:
        self.pattern = plain_groups(pattern)

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        try:
            return re.compile(self.pattern)
        except re.error as error:
            raise KnowledgeError([f"正規表現「{self.pattern}」に誤りがあります({error})"]) from error

    @cached_property
    def first(self) -> frozenset[str] | None:
        """The characters with which a match can begin; None where that cannot be told."""
        found = _first(_parser.parse(self.pattern))
        return None if found is None else frozenset(found)

    def find_all(self, text: str, start: int, end: int) -> Iterator[re.Match[str]]:
        """Like `finditer`, tried only at characters with which a match can begin."""
        first, done = self.first, start
        if first is None:
            yield from self.compiled.finditer(text, start, end)
            return
        for i in range(start, end):
            if i >= done and text[i] in first and (found := self.compiled.match(text, i, end)):
                done = max(found.end(), i + 1)
                yield found


def _first(parsed: Any) -> set[str] | None:
    """First characters of a parsed sequence (None: anything). Assertions take no room and are passed over."""
    out: set[str] = set()
    for op, argument in parsed:
        name = str(op)
        if name in ("ASSERT", "ASSERT_NOT", "AT"):
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
