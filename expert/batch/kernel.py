"""The kernel: a batch of complaints -> the same batch with answers. Pure, given an Expert; the same for one process, many, and Spark."""

import gc
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from expert import explanation
from expert.batch import masking
from expert.domain import Answer, Fact
from expert.errors import InputError, KakekomiError
from expert.limits import check_text
from expert.pipeline import Expert, Understanding, collection_paused

ANSWER = "answer"
"""Column with the answer as JSON (expert/answer.schema.json), where it was asked for."""
SUFFIX = "_kakekomi"
"""Put after the name of an answer's column that the input has too."""
LIST_SEPARATOR = ";"
FORMULA = r"^[-=+@\t\r\n＝＋－＠]"
"""Cells that a spreadsheet would run, unless they are a NUMBER; also read by Spark (Java's regular expressions)."""
NUMBER = r"^[-+]?\d+(?:,\d{3})*(?:\.\d+)?$"

_HEAD = (
    pa.field("scenario", pa.string()),
    pa.field("scenario_title", pa.string()),
    pa.field("confidence", pa.float64()),
    pa.field("second", pa.string()),
    pa.field("needs_review", pa.bool_()),
)
_TAIL = (
    pa.field("amount_jpy", pa.int64()),
    pa.field("payment_method", pa.string()),
    pa.field("prefecture", pa.string()),
    pa.field("actions", pa.string()),
    pa.field("desks", pa.string()),
    pa.field("error", pa.string()),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of a batch mean what, and what is wanted of it.

    `id` holds strings or integers (or JSON of one, with `id_is_json`); `place` says where the row stands ("12行目"), for errors in JSON;
    `fault` why the row could not be read; `drop` columns that are not handed on. Under `mask`, `texts` are more columns of sentences
    (masked by pattern whatever their name), and `ids` are columns that stay as they are.
    """

    text: str = "text"
    id: str | None = None
    id_is_json: bool = False
    place: str | None = None
    fault: str | None = None
    drop: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    json: bool = False
    mask: bool = False


def answer_schema(facts: Iterable[str], *, with_json: bool = False) -> pa.Schema:
    """The columns that answers add, before any renaming."""
    last = [pa.field(ANSWER, pa.string())] if with_json else []
    return pa.schema([*_HEAD, *(pa.field(f, pa.string()) for f in facts), *_TAIL, *last])


def output_names(existing: Sequence[str], added: Sequence[str]) -> dict[str, str]:
    """The name under which each added column is written: a name that the input has gets a suffix."""
    taken, names = set(existing), {}
    for name in added:
        free = name
        while free in taken:
            free += SUFFIX
        taken.add(free)
        names[name] = free
    return names


def output_schema(source: pa.Schema, facts: Iterable[str], layout: Layout) -> pa.Schema:
    """Schema of what the kernel makes of batches of schema `source`."""
    kept = [_kept_field(field, layout) for field in source if field.name not in layout.drop]
    added = answer_schema(facts, with_json=layout.json)
    names = output_names([f.name for f in kept], added.names)
    return pa.schema([*kept, *(f.with_name(names[f.name]) for f in added)])


def _kept_field(field: pa.Field, layout: Layout) -> pa.Field:
    return pa.field(field.name, pa.string() if _treatment(field, layout) else field.type)


def _treatment(field: pa.Field, layout: Layout) -> Callable[[str], str] | None:
    """What --mask does to the cells of a column."""
    if not layout.mask or field.name in layout.ids:
        return None
    if masking.is_personal(field.name) and field.name not in (layout.text, *layout.texts):
        return masking.cover
    return masking.mask if _may_hold_text(field.type) else None


def _may_hold_text(kind: pa.DataType) -> bool:
    """Everything but numbers, dates and truth values: also what is nested, or bytes."""
    plain = (pa.types.is_primitive, pa.types.is_decimal, pa.types.is_null)  # is_primitive: numbers, truth values, dates and times
    return not any(is_kind(kind) for is_kind in plain)


def _text_of(value: Any) -> str:
    """A cell as the text that is masked: nested ones as JSON."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json.dumps(value, ensure_ascii=False, default=_text_of) if isinstance(value, list | dict) else str(value)


class Kernel:
    """`Kernel(expert, layout)(batch)` is the batch with its answers; rows stay in order and none is lost."""

    def __init__(self, expert: Expert, layout: Layout) -> None:
        self._expert = expert
        self._layout = layout
        self._encoder = explanation.Encoder()
        self._titles = {s.id: s.title for s in expert.knowledge.scenarios.values()}
        gc.freeze()  # the expert lives as long as the process: no search for cycles need visit it

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Answer every row.

        Raises KeyError if a column that the layout names is missing.
        """
        with collection_paused():
            return self._answer(batch)

    def _answer(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        layout = self._layout
        rows = self._rows(batch)
        added = list(self._answer_columns(rows))
        if layout.json:
            added.append(pa.array([self._json(row) for row in rows], pa.string()))
        kept = [self._kept(batch, field, rows) for field in batch.schema if field.name not in layout.drop]
        return pa.RecordBatch.from_arrays([*kept, *added], schema=output_schema(batch.schema, self._expert.knowledge.facts, layout))

    def _rows(self, batch: pa.RecordBatch) -> list["_Row"]:
        layout, count = self._layout, batch.num_rows
        ids = [json.loads(i) for i in _optional(batch, layout.id, count)] if layout.id_is_json else _optional(batch, layout.id, count)
        texts = batch.column(layout.text).to_pylist()
        faults = [fault or _unusable(text) for fault, text in zip(_optional(batch, layout.fault, count), texts, strict=True)]
        understood = iter(self._understand([text for text, fault in zip(texts, faults, strict=True) if not fault]))
        places = _optional(batch, layout.place, count)
        rows = zip(ids, texts, faults, places, strict=True)
        return [self._row("" if id is None else id, text, fault or next(understood), place) for id, text, fault, place in rows]

    def _understand(self, texts: Sequence[str]) -> list[Understanding | str]:
        """All together, which is faster; one by one only if that failed, so that the others of the batch are not lost."""
        try:
            return [*self._expert.understand_all(texts, evidence=self._layout.json)] if texts else []
        except MemoryError:
            raise
        except Exception:
            return [self._understand_alone(text) for text in texts]

    def _understand_alone(self, text: str) -> Understanding | str:
        try:
            return self._expert.understand(text)
        except Exception as error:
            return _internal(error)

    def _row(self, id: str | int, text: Any, understood: Understanding | str, place: str | None) -> "_Row":
        hidden = masking.mask(text) if self._layout.mask and isinstance(text, str) else text
        if isinstance(understood, str):
            return _Row(id, None, understood, hidden, place)
        try:
            answer = self._expert.answer(understood, id=id, questions=False)
        except Exception as error:
            return _Row(id, None, _internal(error), hidden, place)
        return _Row(id, _masked(answer, hidden) if self._layout.mask else answer, None, hidden, place)

    def _json(self, row: "_Row") -> str:
        if row.answer is None:
            return explanation.dumps({"id": row.id, "error": f"{row.place}: {row.error}" if row.place else row.error})
        return self._encoder.encode(row.answer)

    def _kept(self, batch: pa.RecordBatch, field: pa.Field, rows: Sequence["_Row"]) -> pa.Array:
        column = batch.column(field.name)
        treat = _treatment(field, self._layout)
        if treat is None:
            return column
        if field.name == self._layout.text:
            return pa.array([row.hidden for row in rows], pa.string())
        return pa.array([None if v is None else treat(_text_of(v)) for v in column.to_pylist()], pa.string())

    def _answer_columns(self, rows: Sequence["_Row"]) -> Iterable[pa.Array]:
        answers = [row.answer for row in rows]
        yield _column(answers, lambda a: a.scenario)
        yield _column(answers, lambda a: self._titles[a.scenario])
        yield _column(answers, lambda a: round(a.confidence, 4), pa.float64())
        yield _column(answers, lambda a: a.candidates[1].scenario)
        yield _column(answers, lambda a: a.needs_review, pa.bool_())
        yield from self._fact_columns(answers)
        yield _column(answers, lambda a: a.attributes.amount_jpy, pa.int64())
        yield _column(answers, lambda a: LIST_SEPARATOR.join(a.attributes.payment_method) or None)
        yield _column(answers, lambda a: a.attributes.prefecture)
        yield _column(answers, lambda a: LIST_SEPARATOR.join([x.id for x in a.actions]))
        yield _column(answers, lambda a: LIST_SEPARATOR.join([x.id for x in a.desks]))
        yield pa.array([row.error for row in rows], pa.string())

    def _fact_columns(self, answers: Sequence[Answer | None]) -> Iterable[pa.Array]:
        """Most facts are unknown in most rows: only those that were found are visited."""
        values: dict[str, list[str | None]] = {}
        for i, answer in enumerate(answers):
            for fact in answer.facts if answer else ():
                column = values.get(fact.id)
                if column is None:
                    column = values[fact.id] = [None] * len(answers)
                column[i] = fact.value
        for name in self._expert.knowledge.facts:
            yield pa.array(values[name], pa.string()) if name in values else pa.nulls(len(answers), pa.string())


class _Row(NamedTuple):
    """An answer or an error; `hidden` is the text as it may be written."""

    id: str | int
    answer: Answer | None
    error: str | None
    hidden: str | None
    place: str | None


def _unusable(text: Any) -> str | None:
    try:
        check_text(text if isinstance(text, str) else "")
    except InputError as error:
        return str(error)
    return None


def _internal(error: Exception) -> str:
    """One row must not stop a million others. Its type alone: a message may quote the person."""
    if isinstance(error, MemoryError):
        raise error
    return str(error) if isinstance(error, KakekomiError) else f"内部エラー({type(error).__name__})。開発者に知らせてください。"


def _optional(batch: pa.RecordBatch, name: str | None, count: int) -> list[Any]:
    return batch.column(name).to_pylist() if name else [None] * count


def _column(answers: Sequence[Answer | None], value: Callable[[Answer], Any], kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([value(a) if a else None for a in answers], kind or pa.string())


def _masked(answer: Answer, hidden: str) -> Answer:
    """Evidence is cut anew out of the masked text, which is as long as the text was: offsets stay right."""
    elapsed = answer.attributes.elapsed
    attributes = answer.attributes._replace(elapsed=masking.mask(elapsed)) if elapsed else answer.attributes
    return answer._replace(facts=tuple(_masked_fact(f, hidden) for f in answer.facts), attributes=attributes)


def _masked_fact(fact: Fact, hidden: str) -> Fact:
    return fact._replace(evidence=tuple(e._replace(text=hidden[e.start : e.end]) for e in fact.evidence))
