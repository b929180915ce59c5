"""`rules/*.yaml` -> a frozen `KnowledgeBase`; every fault is reported at once, with file, line and path."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from expert import strict_yaml
from expert.errors import KnowledgeError
from expert.schema import (
    ActionEntry,
    Condition,
    CueEntry,
    DeskEntry,
    FactEntry,
    LexiconEntry,
    PoliceDeskEntry,
    RuleEntry,
    ScenarioEntry,
)

_SECTIONS: dict[str, type[BaseModel]] = {
    "scenarios": ScenarioEntry,
    "facts": FactEntry,
    "signs": LexiconEntry,
    "methods": LexiconEntry,
    "devices": LexiconEntry,
    "elapsed": LexiconEntry,
    "prefectures": LexiconEntry,
    "cues": CueEntry,
    "actions": ActionEntry,
    "desks": DeskEntry,
    "police_desks": PoliceDeskEntry,
    "rules": RuleEntry,
}
_KANA = "kana.tsv"
_PREFECTURES = {f"{n:02}" for n in range(1, 48)}


@dataclass(frozen=True)
class KnowledgeBase:
    """All of `rules/`: entries by id, in the order of the files."""

    scenarios: Mapping[str, ScenarioEntry]
    facts: Mapping[str, FactEntry]
    signs: Mapping[str, LexiconEntry]
    methods: Mapping[str, LexiconEntry]
    devices: Mapping[str, LexiconEntry]
    elapsed: Mapping[str, LexiconEntry]
    prefectures: Mapping[str, LexiconEntry]
    cues: tuple[CueEntry, ...]
    actions: Mapping[str, ActionEntry]
    desks: Mapping[str, DeskEntry]
    police_desks: Mapping[str, PoliceDeskEntry]
    rules: Mapping[str, RuleEntry]
    version: str
    kana_version: str
    """Version of what the classifier's features rest on beside the corpus: an edit of rules and words does not call for training again."""
    where: Mapping[str, str]
    """`file:line` of each entry, by `section/id`."""
    kana: Path | None
    """The file with which texts in kana are read (`expert.kana_kanji`), where there is one."""

    @cached_property
    def deeds(self) -> tuple[LexiconEntry, ...]:
        """Signs that are read like facts: a denied or intended one does not count."""
        return tuple(sign for sign in self.signs.values() if sign.deed)

    @cached_property
    def revising_facts(self) -> Mapping[str, frozenset[str]]:
        """By scenario: the facts that would turn it into another one."""
        out: dict[str, set[str]] = {}
        for rule in self.rules.values():
            if rule.revise:
                facts = {c.key for c in rule.when if c.key in self.facts}
                for scenario in (v for c in rule.when if c.key == "candidate" for v in c.values):
                    out.setdefault(scenario, set()).update(facts)
        return {scenario: frozenset(facts) for scenario, facts in out.items()}

    @cached_property
    def denied_facts(self) -> frozenset[str]:
        """Facts of which some rule asks whether they are `no`: for the others, `no` is as good as unknown."""
        return frozenset(c.key for rule in self.rules.values() for c in rule.when if "no" in c.values)

    @cached_property
    def states(self) -> frozenset[str]:
        """Every state that some rule declares."""
        return frozenset(s for rule in self.rules.values() for s in rule.declare)


def default_directory() -> Path:
    """`rules/` inside an installed wheel, else that of the checkout; KAKEKOMI_RULES overrides."""
    if override := os.environ.get("KAKEKOMI_RULES"):
        return Path(override)
    packaged = Path(__file__).parent / "data" / "rules"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "rules"


def load(directory: Path | None = None) -> KnowledgeBase:
    """Read every YAML file below `directory`.

    Raises KnowledgeError with all faults: YAML, unknown or duplicate keys, wrong values, duplicate ids, dangling references.
    """
    directory = directory or default_directory()
    files = sorted(directory.rglob("*.yaml"))
    if not files:
        raise KnowledgeError([f"{directory}: 知識ファイル(*.yaml)がありません"])
    reader = _Reader(directory)
    for file in files:
        reader.read(file)
    if not reader.unread:  # what stands in a file that cannot be read would be missed everywhere
        reader.faults += _dangling(reader)
    if reader.faults:
        raise KnowledgeError(reader.faults)
    kana = [file for file in (directory / _KANA,) if file.is_file()]
    return _freeze(reader, (_version(directory, files + kana), _version(directory, kana)), kana)


class _Reader:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.entries: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
        self.where: dict[str, str] = {}
        self.faults: list[str] = []
        self.faulty: dict[str, set[str]] = {name: set() for name in _SECTIONS}
        """Ids of the entries that were refused: what refers to them is not at fault."""
        self.unread = False

    def read(self, file: Path) -> None:
        name = file.relative_to(self.directory).as_posix()
        data, lines, faults = strict_yaml.load(file)
        self.faults += [f"{name}:{fault}" for fault in faults]
        if not isinstance(data, dict):
            self.unread = True
            if not faults:
                self.faults.append(f"{name}:1: 「rules:」のような節の名前から始めてください")
            return
        for section, items in data.items():
            self._section(name, lines, section, items)

    def _section(self, name: str, lines: strict_yaml.LineMap, section: str, items: Any) -> None:
        model = _SECTIONS.get(section)
        if model is None or not isinstance(items, list):
            allowed = "、".join(_SECTIONS)
            self.faults.append(f"{name}:{lines.nearest((section,))}: {section}: 節は{allowed}のどれかで、中身は並び(- …)にしてください")
            return
        for i, item in enumerate(items):
            self._entry(model, (section, i), item, lambda path: f"{name}:{lines.nearest(path)}")

    def _entry(self, model: type[BaseModel], path: tuple[str, int], item: Any, at: Any) -> None:
        section = path[0]
        try:
            entry = model.model_validate(item)
        except ValidationError as error:
            self.faults += [_wording(at, path, item, fault) for fault in error.errors()]
            self.faulty[section].add(str(_name(path, item)))
            return
        key = str(getattr(entry, "id", None) or getattr(entry, "prefecture", ""))
        if key in self.entries[section]:
            self.faults.append(f"{at(path)}: {section}: id「{key}」は {self.where[f'{section}/{key}']} にもあります")
        self.entries[section][key] = entry
        self.where[f"{section}/{key}"] = at(path)


def _wording(at: Any, path: tuple[str, int], item: Any, fault: Any) -> str:
    inner = tuple(fault["loc"])
    dotted = ".".join([f"{path[0]}[{_name(path, item)}]", *map(str, inner)])
    kind = {"extra_forbidden": "知らない項目です", "missing": "必要な項目がありません"}
    return f"{at((*path, *inner))}: {dotted}: {kind.get(fault['type'], fault['msg'])}"


def _name(path: tuple[str, int], item: Any) -> Any:
    return item.get("id", path[1]) if isinstance(item, dict) else path[1]


def _dangling(reader: _Reader) -> list[str]:
    return [f"{reader.where[key]}: {key}: {what}" for key, what in _references(reader.entries, reader.faulty)]


def _references(entries: Mapping[str, Mapping[str, Any]], faulty: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    declared = None if faulty["rules"] else {s for rule in entries["rules"].values() for s in rule.declare}  # a refused rule may declare any
    yield from _same_concepts(entries)
    known = {name: faulty[name].union(entries[name]) for name in ("scenarios", "facts", "actions", "desks", "signs", "methods")}
    for action in entries["actions"].values():
        for sign in action.done:
            if sign not in known["signs"]:
                yield f"actions/{action.id}", f"done の「{sign}」は signs にありません"
            elif sign in entries["signs"] and not entries["signs"][sign].deed:
                yield f"actions/{action.id}", f"done の「{sign}」には、signs で deed: true が要ります"
        others = known["actions"] - {action.id}
        yield from ((f"actions/{action.id}", f"said_by の「{a}」は、ほかの動作の id ではありません") for a in action.said_by if a not in others)
    for rule in entries["rules"].values():
        key = f"rules/{rule.id}"
        yield from ((key, f"動作「{a}」は actions にありません") for a in rule.actions if a not in known["actions"])
        yield from ((key, f"窓口「{d}」は desks にありません") for d in rule.desks if d not in known["desks"])
        if rule.revise and rule.revise not in known["scenarios"]:
            yield key, f"場面「{rule.revise}」は scenarios にありません"
        for condition in rule.when:
            yield from ((key, what) for what in _bad_condition(condition, known, declared))
        for name, value in (item for example in rule.examples for item in example.facts.items()):
            given = Condition(name, "=", (value,) if isinstance(value, str) else tuple(value))
            yield from ((key, f"examples の{what}") for what in _bad_condition(given, known, declared))


def _same_concepts(entries: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The matcher knows the concepts of facts, signs and the rest by their ids alone."""
    named = [(f"facts/{fact.id}", fact.id, concept.id) for fact in entries["facts"].values() for concept in fact.concepts]
    named += [(f"{section}/{id}", section, id) for section in ("signs", "methods", "devices", "elapsed", "prefectures") for id in entries[section]]
    owner: dict[str, str] = {}
    for key, place, id in named:
        if id in owner:
            yield key, f"概念「{id}」は {owner[id]} にもあります"
        owner[id] = place


def _bad_condition(condition: Condition, known: Mapping[str, set[str]], states: set[str] | None) -> Iterator[str]:
    allowed = {
        "scenario": known["scenarios"],
        "candidate": known["scenarios"],
        "state": set(condition.values) if states is None else states,
        "sign": known["signs"],
        "no_sign": known["signs"],
        "payment_method": {*known["methods"], "unknown"},
        "device": {"pc", "smartphone"},
        "prefecture": _PREFECTURES,
    }.get(condition.key, {"yes", "no"} if condition.key in known["facts"] else None)
    if allowed is None:
        yield f"条件「{condition}」の「{condition.key}」は事実の名前ではありません"
    elif wrong := [v for v in condition.values if v not in allowed]:
        yield f"条件「{condition}」の値「{'|'.join(wrong)}」は使えません"


def _version(directory: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(directory).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _freeze(reader: _Reader, versions: tuple[str, str], kana: list[Path]) -> KnowledgeBase:
    version, kana_version = versions
    sections = dict(reader.entries)
    cues = tuple(sections.pop("cues").values())
    return KnowledgeBase(cues=cues, version=version, kana_version=kana_version, where=reader.where, kana=next(iter(kana), None), **sections)
