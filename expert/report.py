"""An evaluation for people: the same tables as lines for the terminal and as one HTML page that needs nothing else."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from expert import charts, trigrams
from expert.comparison import Change, Comparison
from expert.evaluation import REFUSED, Evaluation, Miss
from expert.hints import CONCEPT
from expert.knowledge import KnowledgeBase
from expert.metrics import FactScore, Interval, Kept

HITS = {
    "hits_at_1": "hits@1",
    "hits_at_1_accept": "hits@1(acceptも正解とする)",
    "hits_at_2": "hits@2",
    "hits_at_2_accept": "hits@2(acceptも正解とする)",
    "macro_f1": "macro-F1",
}
SAFETY = {
    "danger_missed": "命の危険(danger)の見落とし",
    "paid_wrongly_yes": "払っていないのに paid=yes",
    "bank_or_card_call_missed": "銀行・カード会社への連絡の案内もれ",
    "forbidden_advice": "してはならない助言",
}
_FIGURE = re.compile(r"[-+–/.\d]*")
_SHOWN_IDS = 12
_SHOWN_MISSING = 15


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; `chart` (SVG) is for the page only."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    chart: str = ""


def tables(evaluation: Evaluation, knowledge: KnowledgeBase) -> list[Table]:
    """All figures, the most telling first."""
    return [
        Table(
            "正解率",
            ("指標", "値", "95%区間"),
            tuple((HITS[k], _share(i.value), _range(i)) for k, i in evaluation.hits.items()),
            _refused(evaluation),
        ),
        _safety(evaluation),
        _advice(evaluation),
        _scenarios(evaluation),
        _confused(evaluation, knowledge),
        _calibration(evaluation),
        _review(evaluation),
        _facts(evaluation),
    ]


def _refused(evaluation: Evaluation) -> str:
    return f"文章として受けつけなかった例が{evaluation.refused}件あります(間違いに数えています)。" if evaluation.refused else ""


def _scenarios(evaluation: Evaluation) -> Table:
    rows = tuple((s, *map(_share, (c.precision, c.recall, c.f1)), str(c.support)) for s, c in evaluation.scenarios.items())
    return Table("場面ごと", ("場面", "適合率", "再現率", "F1", "件数"), rows)


def _confused(evaluation: Evaluation, knowledge: KnowledgeBase) -> Table:
    labels, counts = evaluation.labels, evaluation.confusion
    pairs = [(n, labels[i], labels[j]) for i, row in enumerate(counts) for j, n in enumerate(row) if n and i != j]
    rows = tuple((f"{gold} → {answer}", str(n)) for n, gold, answer in sorted(pairs, key=lambda p: -p[0]))
    titles = [knowledge.scenarios[label].title if label != REFUSED else "(受けつけなかった)" for label in labels]
    return Table("取りちがえ", ("正解 → 答え", "件数"), rows, "" if rows else "取りちがえはありません。", charts.confusion(labels, titles, counts))


def _calibration(evaluation: Evaluation) -> Table:
    found = evaluation.calibration
    rows = tuple((f"{b.low:.1f}–{b.high:.1f}", str(b.count), _share(b.confidence), _share(b.accuracy)) for b in found.bins if b.count)
    chart = charts.reliability((b.confidence or 0.0, b.accuracy or 0.0, b.count) for b in found.bins if b.count)
    return Table(f"自信は当たっているか(ECE {found.ece:.3f})", ("自信", "件数", "自信の平均", "正解率"), rows, chart=chart)


def _review(evaluation: Evaluation) -> Table:
    flag = evaluation.at_flag
    kept = [("次点との差が小さい1割", evaluation.without_tenth), ("needs_review のとおり", flag)]
    rows = tuple((name, *_kept(k)) for name, k in kept)
    point = (flag.reviewed, flag.kept) if flag.kept is not None else None
    chart = charts.coverage([(k.reviewed, k.kept) for k in evaluation.coverage if k.kept is not None], point)
    return Table("人の確認に回すと", ("回すもの", "回す割合", "残りの正解率", "回した分の正解率"), rows, chart=chart)


def _kept(kept: Kept) -> tuple[str, ...]:
    return tuple(map(_share, (kept.reviewed, kept.kept, kept.given_away)))


def _facts(evaluation: Evaluation) -> Table:
    rows = [(fact, *_fact(score)) for fact, score in evaluation.facts.items()]
    head = ("事実", "適合率", "再現率", "F1", "noの正解率", "余計なyes", "yesの件数", "noの件数")
    note = "適合率・再現率・F1は yes について。余計なyes: yes でない例のうち、yes と言った割合。読み手が割れた事実は数えません。"
    return Table("事実", head, (*rows, ("すべて", *_fact(evaluation.all_facts))), note)


def _fact(score: FactScore) -> tuple[str, ...]:
    shares = (score.precision, score.recall, score.f1, score.no_accuracy, score.false_yes_rate)
    return (*map(_share, shares), str(score.true_yes + score.missed_yes), str(score.labelled_no))


def _advice(evaluation: Evaluation) -> Table:
    advice = evaluation.advice
    rows = tuple((pair, str(n)) for pair, n in list(advice.missing.items())[:_SHOWN_MISSING])
    more = f"ほか{len(advice.missing) - _SHOWN_MISSING}組。" if len(advice.missing) > _SHOWN_MISSING else ""
    note = f"必要な助言 {advice.required} のうち {advice.given} を出しました(再現率 {_share(advice.recall)})。{more}"
    return Table("必要な助言(expert/policy.json を正解に当てはめたもの)", ("足りない 規則と助言", "件数"), rows, note)


def _safety(evaluation: Evaluation) -> Table:
    rows = tuple((SAFETY[name], f"{len(d.cases)}/{d.of}", _some(d.cases)) for name, d in evaluation.safety.items())
    return Table("安全", ("あってはならないこと", "件数", "例"), rows)


def _some(ids: Sequence[str]) -> str:
    return "、".join(ids[:_SHOWN_IDS]) + (f" ほか{len(ids) - _SHOWN_IDS}件" if len(ids) > _SHOWN_IDS else "")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _range(interval: Interval) -> str:
    return f"{interval.low:.3f}–{interval.high:.3f}"


# ---- two runs -------------------------------------------------------------------------------------------------------


def comparison_tables(comparison: Comparison) -> list[Table]:
    """What changed, case by case, and the figures before and after."""
    c = comparison
    fixed, broken = ([x for x in c.scenarios if getattr(x, kind)] for kind in ("fixed", "broken"))
    relabelled = f"ラベルが変わった例が{c.relabelled}件あります(どちらも新しいラベルで数えています)。" if c.relabelled else ""
    shared = f"共通の例 {c.shared}件(前だけ {c.only_old}件、今回だけ {c.only_new}件)。{relabelled}"
    note = f"{shared}直った {len(fixed)}件、壊れた {len(broken)}件。マクネマー検定(両側、正確)p = {c.p_value:.4f}"
    figures = [(HITS[name], *_pair(before.value, after.value)) for name, (before, after) in c.hits.items()]
    counts = [("足りない助言", c.missing_advice), ("してはならない助言", c.forbidden_advice)]
    figures += [(name, str(before), str(after), f"{after - before:+d}") for name, (before, after) in counts]
    return [
        Table(f"{c.old} と比べて", ("指標", "前", "今回", "差"), tuple(figures), note),
        Table("場面が変わった例", ("例", "変化", ""), tuple(map(_change, sorted(c.scenarios, key=_order)))),
        _fact_differences(c.fact_scores),
        Table("事実が変わった例", ("例", "変化", ""), tuple(map(_change, sorted(c.facts, key=_order)))),
    ]


def _order(change: Change) -> tuple[bool, bool]:
    """Broken ones first, fixed ones next."""
    return not change.broken, not change.fixed


def _change(change: Change) -> tuple[str, ...]:
    verdict = "壊れた" if change.broken else "直った" if change.fixed else "どちらも誤り"
    name = f"{change.fact}: " if change.fact else ""
    return f"{change.id}", f"{name}{change.before} → {change.after}(正解 {change.gold})", verdict


def _fact_differences(scores: Mapping[str, tuple[FactScore, FactScore]]) -> Table:
    rows = [
        ("すべて" if fact == "all" else fact, *_pair(b.f1, a.f1), *_pair(b.false_yes_rate, a.false_yes_rate))
        for fact, (b, a) in scores.items()
        if b != a
    ]
    return Table("事実の差", ("事実", "F1 前", "今回", "差", "余計なyes 前", "今回", "差"), tuple(rows), "" if rows else "事実の読み取りは同じです。")


def _pair(before: float | None, after: float | None) -> tuple[str, str, str]:
    difference = "–" if before is None or after is None else f"{after - before:+.3f}"
    return _share(before), _share(after), difference


# ---- errors ---------------------------------------------------------------------------------------------------------


def miss_lines(miss: Miss) -> Iterator[str]:
    """One wrong case: labels, the text, what was understood, which words decided."""
    o = miss.outcome
    excused = "(acceptにあり)" if o.hit_within(1, accept=True) else ""
    yield f"{o.id}: 正解 {o.gold} → 答え {o.predicted}{excused}、自信 {o.confidence:.2f}、次点 {o.second}"
    yield f"文: 「{miss.excerpt}」"
    yield f"読み取った事実: {'、'.join(_facts_read(o.facts, o.gold_facts, o.unsure_facts)) or 'なし'}"
    if miss.revised_by:
        yield f"場面を変えた規則: {miss.revised_by}"
    if miss.words:
        yield "答えのほうへ引いた語: " + "、".join(f"{_feature(name)} {weight:+.2f}" for name, weight in miss.words)


def _facts_read(read: Mapping[str, str], gold: Mapping[str, str], unsure: Sequence[str]) -> Iterator[str]:
    for fact, value in read.items():
        wrong = fact not in unsure and gold.get(fact, "unknown") != value
        yield f"{fact}={value}" + (f"(正解は {gold.get(fact, 'unknown')})" if wrong else "")
    yield from (f"見落とし {fact}={value}" for fact, value in gold.items() if fact not in read and fact not in unsure)


def _feature(name: str) -> str:
    """A feature of the classifier in words."""
    kinds = {CONCEPT: "概念 {}", trigrams.PREFIX: "文字「{}」", "number:": "数「{}」"}
    for prefix, kind in kinds.items():
        if name.startswith(prefix):
            return kind.format(name.removeprefix(prefix))
    return f"事実 {name}" if name.endswith(("=yes", "=no")) else f"語「{name}」"


# ---- the terminal ---------------------------------------------------------------------------------------------------


def lines(shown: Sequence[Table], misses: Sequence[Miss]) -> Iterator[str]:
    """The report as lines of text; titles begin with ■."""
    for table in shown:
        yield from ("", f"■ {table.title}", *_text_table(table))
    if misses:
        yield from ("", f"■ 場面を間違えた例({len(misses)}件)")
    for miss in misses:
        first, *rest = miss_lines(miss)
        yield from (f"  {first}", *(f"    {line}" for line in rest))


def _text_table(table: Table) -> Iterator[str]:
    if table.note:
        yield f"  {table.note}"
    if table.rows:
        grid = [table.head, *table.rows]
        widths = [max(map(_width, column)) for column in zip(*grid, strict=True)]
        figures = _figures(table)
        for row in grid:
            yield "  " + "  ".join(map(_padded, row, widths, figures)).rstrip()


def _width(text: str) -> int:
    """Columns on a terminal: Japanese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int, figure: bool) -> str:
    gap = " " * (width - _width(text))
    return gap + text if figure else text + gap


def _figures(table: Table) -> list[bool]:
    """Which columns hold figures: those stand on the right."""
    return [all(_FIGURE.fullmatch(cell) for cell in column) for column in zip(*table.rows, strict=True)]


# ---- the page -------------------------------------------------------------------------------------------------------

_STYLE = """
:root{--ink:#1c2330;--soft:#5d6778;--line:#d9dee7;--paper:#fff;--good:#2463b4;--bad:#c0392b}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa5b8;--line:#39414f;--paper:#161a21;--good:#6ea8ee;--bad:#ef7c6e}}
body{margin:0 auto;max-width:1040px;padding:24px 16px;color:var(--ink);background:var(--paper);font:15px/1.7 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2.2em 0 .4em}.note,.meta{color:var(--soft)}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem}td{padding:3px 12px;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
thead{color:var(--soft)}.figure{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
svg{display:block;max-width:none;margin:12px 0}svg text{fill:var(--ink);font-size:11px}.name{font-family:ui-monospace,monospace}
.grid{fill:none;stroke:var(--line)}.right{fill:var(--good)}.wrong{fill:var(--bad)}.dot{fill:var(--good);fill-opacity:.75}
.curve{fill:none;stroke:var(--good);stroke-width:2}.ideal{fill:none;stroke:var(--soft);stroke-dasharray:4 4}
"""


def page(evaluation: Evaluation, shown: Sequence[Table], misses: Sequence[Miss]) -> str:
    """The report as one HTML page: style and plots inside, nothing fetched. Texts of cases only in `misses`."""
    wrong = f"<section><h2>場面を間違えた例({len(misses)}件)</h2>{''.join(map(_html_miss, misses))}</section>" if misses else ""
    title = f"精度: {escape(evaluation.name)}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style>'
    body = f'<h1>{title}</h1><p class="meta">{escape(headline(evaluation))}</p>{"".join(map(_html_table, shown))}{wrong}'
    return f'<!doctype html>\n<html lang="ja"><head>{head}</head><body>{body}</body></html>\n'


def headline(evaluation: Evaluation) -> str:
    """What was measured, when, and with which knowledge and model."""
    versions = evaluation.versions
    return f"{evaluation.name}: {len(evaluation.outcomes)}件({evaluation.date}、知識 {versions['knowledge']}、モデル {versions['model']})"


def _html_table(table: Table) -> str:
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    kinds = ['class="figure"' if figure else "" for figure in _figures(table)]
    head, *rows = ("".join(f"<td {kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=False)) for row in (table.head, *table.rows))
    grid = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>" if rows else ""
    return f'<section><h2>{escape(table.title)}</h2>{note}<div class="scroll">{table.chart}{grid}</div></section>'


def _html_miss(miss: Miss) -> str:
    first, *rest = map(escape, miss_lines(miss))
    return f"<details open><summary>{first}</summary><p>{'<br>'.join(rest)}</p></details>"
