"""Plots as inline SVG, written by hand. Values in, strings out; colours come from the CSS classes of the page."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

_CELL = 24
_LABELS = 190
_WIDTH, _HEIGHT, _MARGIN = 420, 320, 46

Point = tuple[float, float]


def confusion(labels: Sequence[str], titles: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Heat map of `counts[label][answer]`; the darker, the larger the share of the row. Names in full under the pointer."""
    size = len(labels) * _CELL
    cells = [_cell(row, column, titles, counts) for row in range(len(labels)) for column in range(len(labels))]
    names = [
        f'<text class="name" x="{_LABELS - 6}" y="{_LABELS + i * _CELL + 16}" text-anchor="end">{escape(label)}</text>'
        f'<text class="name" transform="translate({_LABELS + i * _CELL + 16} {_LABELS - 6}) rotate(-60)">{escape(label)}</text>'
        for i, label in enumerate(labels)
    ]
    return _svg(_LABELS + size + 110, _LABELS + size + 4, "混同行列(行が正解、列が答え)", [*names, *cells])


def _cell(row: int, column: int, titles: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    count, whole = counts[row][column], sum(counts[row])
    share = count / whole if whole else 0.0
    kind = "right" if row == column else "wrong"
    x, y = _LABELS + column * _CELL, _LABELS + row * _CELL
    box = f'<rect class="grid" x="{x}" y="{y}" width="{_CELL}" height="{_CELL}"/>'
    if not count:
        return box
    tip = escape(f"正解 {titles[row]} → 答え {titles[column]}: {count}件({share:.0%})")
    fill = f'<rect class="{kind}" x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill-opacity="{0.12 + 0.5 * share:.2f}"/>'
    number = f'<text x="{x + _CELL / 2}" y="{y + 16}" text-anchor="middle">{count}</text>'
    return f"<g><title>{tip}</title>{box}{fill}{number}</g>"


def reliability(points: Iterable[tuple[float, float, int]]) -> str:
    """Accuracy (up) against confidence (right); a dot a bin, larger with more cases. A well calibrated model lies on the line."""
    known = list(points)
    most = max((count for _, _, count in known), default=1)
    place = _axes((0.0, 1.0), (0.0, 1.0))
    dots = [_dot(place(c, a), 3 + 9 * (count / most) ** 0.5, f"自信 {c:.2f}、正解率 {a:.2f}、{count}件") for c, a, count in known]
    frame = _frame((0.0, 1.0), (0.0, 1.0), "自信", "正解率")
    return _svg(_WIDTH, _HEIGHT, "信頼度図(自信と正解率)", [*frame, _line([place(0, 0), place(1, 1)], "ideal"), *dots])


def coverage(curve: Sequence[Point], at_flag: Point | None) -> str:
    """Accuracy of what is kept (up) against the share sent to review (right); the dot is the tool's own needs_review."""
    lowest = min([y for _, y in curve] + ([at_flag[1]] if at_flag else []), default=0.0)
    across, up = (0.0, max((x for x, _ in curve), default=1.0) or 1.0), (int(lowest * 10) / 10 if lowest < 1 else 0.9, 1.0)
    place = _axes(across, up)
    dot = []
    if at_flag:
        x, y = place(*at_flag)
        dot = [
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="6"><title>needs_review: {at_flag[0]:.1%} を回すと {at_flag[1]:.1%}</title></circle>'
        ]
    frame = _frame(across, up, "確認に回す割合", "残りの正解率")
    return _svg(_WIDTH, _HEIGHT, "確認に回す割合と、残りの正解率", [*frame, _line([place(x, y) for x, y in curve], "curve"), *dot])


def _axes(across: Point, up: Point) -> Callable[[float, float], Point]:
    """From values to places in the picture."""
    left, bottom, width, height = _MARGIN, _HEIGHT - _MARGIN, _WIDTH - _MARGIN - 14, _HEIGHT - _MARGIN - 14

    def place(x: float, y: float) -> Point:
        return left + width * (x - across[0]) / (across[1] - across[0]), bottom - height * (y - up[0]) / (up[1] - up[0])

    return place


def _frame(across: Point, up: Point, name_across: str, name_up: str) -> list[str]:
    place, out = _axes(across, up), []
    for i in range(6):
        x, y = (low + (high - low) * i / 5 for low, high in (across, up))
        (px, bottom), (left, py) = place(x, up[0]), place(across[0], y)
        out.append(_line([(left, py), (place(across[1], y)[0], py)], "grid"))
        out.append(f'<text x="{px:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{x:.2f}</text>')
        out.append(f'<text x="{left - 6:.1f}" y="{py + 4:.1f}" text-anchor="end">{y:.2f}</text>')
    out.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(name_across)}</text>')
    return [*out, f'<text transform="translate(12 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(name_up)}</text>']


def _dot(at: Point, radius: float, tip: str) -> str:
    return f'<circle class="dot" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:.1f}"><title>{escape(tip)}</title></circle>'


def _line(points: Sequence[Point], kind: str) -> str:
    return f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _svg(width: float, height: float, name: str, parts: Iterable[str]) -> str:
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">'
    return f"{opening}<title>{escape(name)}</title>{''.join(parts)}</svg>"
