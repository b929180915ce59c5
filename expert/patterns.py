"""Regular expressions that are compiled when they are first needed, and tried only where they can begin.

The lexicon holds thousands of patterns; a text meets a few dozen. Compiling all of them would take seconds at every start, and
searching with all of them milliseconds a text.
"""

import re
from collections.abc import Iterable
from functools import cache

from expert.errors import KnowledgeError
from expert.literals import beginnings, faulty, first_characters

_MOST_BEGINNINGS = 3000
"""More than for the lexicon as a whole: here 電話会社 must not be looked for wherever 電話 stands."""
_GROUP = re.compile(r"(?<!\\)\((?!\?)")


def plain_groups(pattern: str) -> str:
    """The pattern with its groups made non-capturing: faster, and free of clashes when patterns are joined."""
    return _GROUP.sub("(?:", pattern)


@cache  # concepts share many of their words
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise faulty(pattern, error) from error


class LazyPattern:
    """A pattern compiled at its first use."""

    def __init__(self, pattern: str) -> None:
        self.pattern = plain_groups(pattern)
        self._made: re.Pattern[str] | None = None

    @property
    def compiled(self) -> re.Pattern[str]:
        """Raises KnowledgeError, naming the pattern, if it is no regular expression."""
        made = self._made
        if made is None:
            made = self._made = _compiled(self.pattern)
        return made

    @property
    def guarded(self) -> re.Pattern[str]:
        """The same pattern, made to give up at once at characters with which no match can begin: for searching."""
        first = first_characters(self.pattern)
        if first is None:
            return self.compiled
        characters = "".join([re.escape(char) for char in sorted(first)])
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
    """Patterns to search with: tried only where one of their literal beginnings stands, which is nearly nowhere. Compiled at their first use."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [plain_groups(pattern) for pattern in patterns] or ["(?!)"]
        self._whole: re.Pattern[str] | None = None
        self._begins: re.Pattern[str] | None = None
        """Where one of them may begin; None where that can be anywhere."""

    def search(self, text: str, start: int, end: int) -> re.Match[str] | None:
        """The first match between two places."""
        whole = self._whole
        if whole is None:
            whole = self._compile()
        begins = self._begins
        if begins is None:
            return whole.search(text, start, end)
        end = min(end, len(text))
        while start < end:
            first = begins.search(text, start, end)
            if first is None:
                break
            at = first.start()
            found = whole.match(text, at, end)
            if found is not None:
                return found
            start = at + 1
        return None

    def _compile(self) -> re.Pattern[str]:
        whole = _compiled("|".join(self._patterns))
        strings = set[str]()
        for pattern in self._patterns:
            strings |= beginnings(pattern, _MOST_BEGINNINGS)
        if "" not in strings:
            self._begins = _compiled(any_of(strings))
        self._whole = whole  # last: another thread looks at it first
        return whole


@cache
def _name(group: str | None) -> str:
    return str(group).rsplit("__", 1)[0]


class PatternTable:
    """Many patterns of which the first in the list that matches counts; only those that can begin with the next character are tried."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        """`rows`: pattern and name, the most important first."""
        self._rows = [(plain_groups(pattern), name) for pattern, name in rows]
        self._first = [first_characters(pattern) for pattern, _ in self._rows]
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
        rows = [row for row, first in zip(self._rows, self._first, strict=True) if first is None or char in first]
        try:
            return _compiled("|".join(f"(?P<{name}__{i}>{pattern})" for i, (pattern, name) in enumerate(rows)) or r"(?!)")
        except KnowledgeError:
            for pattern, _ in rows:
                _compiled(pattern)  # names the faulty one as it was written
            raise
