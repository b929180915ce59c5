"""YAML 1.2 core for people: `yes` and `no` are words, keys are unique, and every value knows its line.

Parsing is libyaml's (through PyYAML); only the construction of plain Python values is done here, because PyYAML's
own constructors read `no` as False and let the last of two equal keys win in silence.
"""

import re
from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"-?(0|[1-9]\d*)\Z")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}

Path_ = tuple[str | int, ...]


class LineMap(dict[Path_, int]):
    """Line (1-based) of every value, by its path inside the file."""

    def nearest(self, path: Path_) -> int:
        """Line of the value, or of the closest parent that has one."""
        while path and path not in self:
            path = path[:-1]
        return self.get(path, 1)


def load(file: Path) -> tuple[Any, LineMap, list[str]]:
    """Parse one file.

    Returns the value, the lines, and the faults (one `line: what` each); the value is None where the file does not parse.
    """
    lines, faults = LineMap(), list[str]()
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = mark.line + 1 if mark else 1
        return None, lines, [f"{where}: YAMLとして読めません({getattr(error, 'problem', None) or error})"]
    return (None if node is None else _value(node, (), lines, faults)), lines, faults


def _value(node: yaml.Node, path: Path_, lines: LineMap, faults: list[str]) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, faults)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), lines, faults) for i, child in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: Path_, lines: LineMap, faults: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key_node, child in node.value:
        key = str(key_node.value)
        if key in out:
            faults.append(f"{key_node.start_mark.line + 1}: 「{key}」が二度書かれています")
        out[key] = _value(child, (*path, key), lines, faults)
        lines[(*path, key)] = key_node.start_mark.line + 1
    return out


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if getattr(node, "style", None):
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if _INT.match(text) else text
