"""Counts of answered chunks: small, mergeable, written beside each chunk. The summary and the report are made of them alone."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from expert.batch import columns
from expert.batch.kernel import LIST_SEPARATOR

AMOUNTS = (10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000)
"""Upper bounds (yen, exclusive) of the classes of sums; one more class is open above."""


Sample = tuple[str, str, str, str, bool]
"""Rank, place, text (masked if asked for), scenario, whether for review."""


@dataclass
class Tally:
    """`rows` is always `answered + failed`. `counts[kind][key]`: scenario, review (by scenario), desk, fact (`paid=yes`), month,
    month_scenario (`2025-04 phishing`), amount (index of its class), payment_method, prefecture.
    `samples`: `wanted` rows drawn by a hash of place and text, so the same in every run."""

    rows: int = 0
    answered: int = 0
    for_review: int = 0
    failed: int = 0
    yen: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    wanted: int = 0

    def add(self, other: "Tally") -> None:
        """Take the counts of another one in."""
        for name in ("rows", "answered", "for_review", "failed", "yen"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, counts in other.counts.items():
            self.counts.setdefault(kind, Counter()).update(counts)
        self.wanted = max(self.wanted, other.wanted)
        self.samples = sorted([*self.samples, *other.samples])[: self.wanted]

    def of(self, kind: str) -> Counter[str]:
        """The counts of one kind (scenario, desk, month, fact …); empty where nothing was counted."""
        return self.counts.get(kind, Counter())

    def to_json(self) -> str:
        """One line of JSON, for the journal."""
        return json.dumps({**vars(self), "counts": {k: dict(sorted(c.items())) for k, c in sorted(self.counts.items())}}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Tally":
        """The inverse of `to_json`."""
        values = json.loads(text)
        values["samples"] = [tuple(row) for row in values["samples"]]
        values["counts"] = {kind: Counter(counts) for kind, counts in values["counts"].items()}
        return cls(**values)


def count(batch: pa.RecordBatch, names: Mapping[str, str], facts: Iterable[str], dates: pa.Array | None) -> Tally:
    """Counts of one answered batch; `names` gives the written name of each answer's column, `dates` the date cells of its rows."""

    def cells(name: str) -> list[object]:
        return list(batch.column(names[name]).to_pylist())

    scenarios, reviews, sums = cells("scenario"), cells("needs_review"), [v for v in cells("amount_jpy") if isinstance(v, int)]
    failed = batch.num_rows - batch.column(names["error"]).null_count
    months = [columns.month(d) if d else None for d in dates.to_pylist()] if dates is not None else []
    counts = {
        "scenario": Counter(filter(None, map(_text, scenarios))),
        "review": Counter(_text(s) for s, r in zip(scenarios, reviews, strict=True) if r),
        "fact": Counter(f"{f}={v}" for f in facts for v in cells(f) if v),
        "amount": Counter(str(_class(v)) for v in sums),
        "month": Counter(m for m in months if m),
        "month_scenario": Counter(f"{m} {s}" for m, s in zip(months, scenarios, strict=False) if m and s),
        **{kind: Counter(_items(cells(column))) for kind, column in (("desk", "desks"), ("payment_method", "payment_method"))},
        "prefecture": Counter(filter(None, map(_text, cells("prefecture")))),
    }
    return Tally(batch.num_rows, batch.num_rows - failed, sum(map(bool, reviews)), failed, sum(sums), counts)


def draw(rows: Iterable[tuple[str, str | None, str | None, bool]], wanted: int) -> list[Sample]:
    """`wanted` rows (place, text, scenario, for review) of those that were answered."""
    ranked = ((hashlib.blake2b(f"{p} {t}".encode(), digest_size=8).hexdigest(), p, t, s, bool(r)) for p, t, s, r in rows if s and t)
    return sorted(ranked)[:wanted]


def _text(value: object) -> str:
    return str(value) if value else ""


def _items(cells: Iterable[object]) -> Iterable[str]:
    return (item for cell in cells if cell for item in str(cell).split(LIST_SEPARATOR))


def _class(amount: int) -> int:
    return sum(amount >= bound for bound in AMOUNTS)
