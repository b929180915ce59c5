"""The counts of a batch as one HTML page: style and charts (SVG) inside, nothing fetched, no text of a person unless samples were asked for."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from expert.batch.tally import AMOUNTS, Tally
from expert.knowledge import KnowledgeBase

_NAME, _BAR, _LINE = 330, 420, 24
_COLUMN, _HIGH = 46, 180
_METHODS = {
    "bank_transfer": "銀行振込",
    "credit_card": "クレジットカード",
    "prepaid": "プリペイド・電子マネー",
    "convenience_store": "コンビニ払い",
    "qr_payment": "スマホ決済",
    "cash": "現金",
    "crypto": "暗号資産",
    "carrier_billing": "キャリア決済",
}
_STYLE = """
:root{--ink:#1c2330;--soft:#5d6778;--line:#d9dee7;--paper:#fff;--bar:#2463b4;--review:#d98a1f;--tile:#f3f5f9}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa5b8;--line:#39414f;--paper:#161a21;--bar:#6ea8ee;--review:#e8b25e;--tile:#20262f}}
body{margin:0 auto;max-width:960px;padding:24px 16px;color:var(--ink);background:var(--paper);font:15px/1.7 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2.2em 0 .4em}.note{color:var(--soft);font-size:.9rem}.scroll{overflow-x:auto}
.tiles{display:flex;flex-wrap:wrap;gap:12px;padding:0;list-style:none}.tiles li{background:var(--tile);border-radius:8px;padding:10px 18px}
.tiles b{display:block;font-size:1.4rem;font-variant-numeric:tabular-nums}
svg{display:block}svg text{fill:var(--ink);font-size:13px}svg .n{fill:var(--soft);font-variant-numeric:tabular-nums}
.bar{fill:var(--bar)}.review{fill:var(--review)}.axis{stroke:var(--line)}
blockquote{margin:.6em 0;padding:.2em 1em;border-left:3px solid var(--line);overflow-wrap:anywhere}
"""


def page(tally: Tally, knowledge: KnowledgeBase, name: str) -> str:
    """The whole page. `name` says what was answered."""
    title = f"相談の集計: {escape(name)}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style>'
    sections = "".join(_sections(tally, knowledge))
    versions = f'<p class="note">知識 {knowledge.version}。場面は機械が読み取ったもので、要確認の行は人が確かめてください。</p>'
    return f'<!doctype html>\n<html lang="ja"><head>{head}</head><body><h1>{title}</h1>{_tiles(tally)}{sections}{versions}</body></html>\n'


def _tiles(tally: Tally) -> str:
    tiles = (
        ("入力の行", f"{tally.rows:,}"),
        ("答えた行", f"{tally.answered:,}"),
        ("要確認", f"{tally.for_review:,}({_share(tally.for_review, tally.answered)})"),
        ("失敗", f"{tally.failed:,}"),
        ("読み取れた金額の合計", f"{tally.yen:,}円"),
    )
    return f'<ul class="tiles">{"".join(f"<li>{label}<b>{value}</b></li>" for label, value in tiles)}</ul>'


def _sections(tally: Tally, knowledge: KnowledgeBase) -> Iterable[str]:
    titles = {s.id: s.title for s in knowledge.scenarios.values()}
    desks = {d.id: d.name for d in knowledge.desks.values()}
    yield _section(
        "場面", _bars(tally.of("scenario"), titles, marked=tally.of("review")), "色の違う部分は、要確認(はっきり決められなかったもの)の件数です。"
    )
    yield _section("月", _columns(sorted(tally.of("month").items())), "日付の列から読み取りました。")
    yield _section("月ごとに多い場面", _by_month(tally, titles))
    yield _section("案内した窓口", _bars(tally.of("desk"), desks), "一つの相談に、いくつもの窓口を案内します。")
    yield _section("読み取れた事実", _bars(_facts(tally, "yes"), {f.id: f.yes for f in knowledge.facts.values()}), "そう書いてあった相談の数です。")
    yield _section("金額", _columns([(_class(i), tally.of("amount")[str(i)]) for i in range(len(AMOUNTS) + 1)] if tally.of("amount") else []))
    yield _section("支払いの方法", _bars(tally.of("payment_method"), _METHODS))
    yield _section("都道府県", _bars(tally.of("prefecture"), {d.prefecture: d.prefecture_name for d in knowledge.police_desks.values()}))
    if tally.samples:
        yield _section("例", "".join(_sample(place, text, titles[scenario], review) for _, place, text, scenario, review in tally.samples))


def _section(title: str, body: str, note: str = "") -> str:
    """Nothing where there is nothing to show."""
    said = f'<p class="note">{note}</p>' if note else ""
    return f'<section><h2>{title}</h2>{said}<div class="scroll">{body}</div></section>' if body else ""


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _facts(tally: Tally, value: str) -> Mapping[str, int]:
    return {name.removesuffix(f"={value}"): n for name, n in tally.of("fact").items() if name.endswith(f"={value}")}


def _class(index: int) -> str:
    bounds = [f"{b // 10_000}万" for b in AMOUNTS]
    return f"{bounds[-1]}円以上" if index == len(bounds) else f"{bounds[index]}円未満"


def _by_month(tally: Tally, titles: Mapping[str, str]) -> str:
    months: dict[str, list[tuple[int, str]]] = {}
    for key, n in tally.of("month_scenario").items():
        month, scenario = key.split(" ")
        months.setdefault(month, []).append((n, scenario))
    lines = (
        f"<li>{m}: {'、'.join(f'{escape(titles[s])} {n:,}' for n, s in sorted(found, reverse=True)[:3])}</li>" for m, found in sorted(months.items())
    )
    return f"<ul>{''.join(lines)}</ul>" if months else ""


def _sample(place: str, text: str, title: str, review: bool) -> str:
    return f'<p class="note">{escape(place)} → {escape(title)}{"(要確認)" if review else ""}</p><blockquote>{escape(text)}</blockquote>'


# ---- charts ---------------------------------------------------------------------------------------------------------


def _bars(counts: Mapping[str, int], names: Mapping[str, str], marked: Mapping[str, int] | None = None) -> str:
    """Bars lying, the longest first; the share `marked` of each in another colour."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    most = max(counts.values(), default=0)
    parts = [_bar(i, names.get(key, key), (n, (marked or {}).get(key, 0)), _BAR / most) for i, (key, n) in enumerate(rows) if most]
    return _svg(_NAME + _BAR + 120, len(rows) * _LINE + 4, parts)


def _bar(i: int, name: str, counts: tuple[int, int], unit: float) -> str:
    y, (count, marked) = i * _LINE, counts
    short = name if len(name) <= 24 else name[:23] + "…"
    tip = f"<title>{escape(name)}: {count:,}件{f'(要確認 {marked:,}件)' if marked else ''}</title>"
    label = f'<text x="{_NAME - 8}" y="{y + 16}" text-anchor="end">{escape(short)}</text>'
    whole = f'<rect class="bar" x="{_NAME}" y="{y + 4}" width="{max(1.0, count * unit):.1f}" height="15"/>'
    part = f'<rect class="review" x="{_NAME}" y="{y + 4}" width="{marked * unit:.1f}" height="15"/>' if marked else ""
    return f'<g>{tip}{label}{whole}{part}<text class="n" x="{_NAME + count * unit + 6:.1f}" y="{y + 16}">{count:,}</text></g>'


def _columns(values: Sequence[tuple[str, int]]) -> str:
    """Standing bars, in the order given."""
    most = max((n for _, n in values), default=0)
    parts = [f'<line class="axis" x1="0" x2="{len(values) * _COLUMN + 20}" y1="{_HIGH + 20}" y2="{_HIGH + 20}"/>']
    parts += [_standing(i, name, n, _HIGH / most) for i, (name, n) in enumerate(values) if most]
    return _svg(len(values) * _COLUMN + 90, _HIGH + 100, parts) if most else ""


def _standing(i: int, name: str, count: int, unit: float) -> str:
    x, top = i * _COLUMN + 10, _HIGH + 20 - count * unit
    box = f'<rect class="bar" x="{x}" y="{top:.1f}" width="{_COLUMN - 12}" height="{count * unit:.1f}"/>'
    number = f'<text class="n" x="{x + (_COLUMN - 12) / 2}" y="{top - 4:.1f}" text-anchor="middle">{count:,}</text>'
    label = f'<text transform="translate({x + 12} {_HIGH + 36}) rotate(35)">{escape(name)}</text>'
    return f"<g><title>{escape(name)}: {count:,}件</title>{box}{number}{label}</g>"


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    if not parts:
        return ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'
    )
