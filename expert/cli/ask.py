"""`kakekomi ask`: one complaint in, the page or the JSON out."""

import contextlib
import sys
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from expert import explanation
from expert.cli.common import app, load_expert
from expert.domain import Answer
from expert.errors import InputError

STYLES = {
    "title": "bold",
    "fact": "cyan",
    "emergency": "bold white on red",
    "now": "bold yellow",
    "never": "bold red",
    "today": "green",
    "soon": "blue",
    "desk": "magenta",
    "why": "default",
    "detail": "dim",
    "source": "dim",
    "note": "italic",
}
_NEVER_FIRST = "、。,.)」』\uff09]!?\uff01\uff1fー・"
PROMPT = "何がありましたか。ふだんの言葉で書いてください。書き終わったら、何も書かずに Enter を押してください。"
DONT_KNOW = ("", "?", "不明")
DONT_KNOW_STARTS = ("わから", "分から", "わかり", "分かり", "知ら", "しら")
YES = ("はい", "y", "yes", "うん", "ええ", "そう", "そうです")
NO = ("いいえ", "n", "no", "いや", "ううん", "いえ")
YES_ENDS = ("した", "しました", "ました", "ちゃった", "ています", "ある", "あります")
SURE_STARTS = ("間違いな", "間違いあり", "まちがいな", "否定でき", "もちろん")
UNSURE = ("覚え", "おぼえ", "記憶", "かもしれ", "かも", "たぶん", "多分", "思い出せ", "自信がな", "自信があ", "はっきりし")
"""Anywhere in a reply: 覚えていません is no no."""
NO_ENDS = ("ない", "ないです", "ません", "ませんでした", "なかった", "なかったです")


Explain = Annotated[bool, typer.Option("--explain", help="働いた規則、そのもと、出典と確認日も出す")]
Plain = Annotated[bool, typer.Option("--plain", help="色や飾りをつけない(パイプや読み上げ向け)")]


@app.command()
def ask(
    words: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="何が起きたか。省くか - なら標準入力か画面から")] = None,
    *,
    json_: Annotated[bool, typer.Option("--json", help="答えをJSONで出す(聞き返さない)")] = False,
    explain: Explain = False,
    plain: Plain = False,
    assume: Annotated[list[str] | None, typer.Option(help="事実を決める(例: --assume paid=yes)。何度でも")] = None,
    what_if: Annotated[list[str] | None, typer.Option(help="事実が変わると何が増減するか(例: --what-if paid=yes)")] = None,
    no_questions: Annotated[bool, typer.Option("--no-questions", help="聞き返さない")] = False,
    sample_if_empty: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """一つの相談に答える。いまの状態で答えが変わることだけを、5つまで聞き返す。"""
    text = " ".join(words) if words and words != ["-"] else None
    interactive = text is None and sys.stdin.isatty()
    complaint = _complaint(text, sample_if_empty)
    expert = load_expert()
    assumed = _assumptions(assume, expert)
    if what_if and json_:
        raise InputError("--what-if と --json は一緒に使えません。どちらかにしてください。")
    if what_if:
        _print_what_if(expert, complaint, assumed, _assumptions(what_if, expert))
        return
    answer = expert.ask(complaint, assume=assumed)
    if json_:
        print(explanation.dumps(explanation.to_json(answer)))
        return
    if interactive and not no_questions and answer.fact("danger") != "yes":  # then nothing stands before the emergency call
        answer = _ask_back(expert, complaint, assumed, answer)
    _print_page(explanation.page(answer, expert.knowledge, explain=explain), plain)
    if not interactive and not no_questions:
        _print_page(_open_questions(answer), plain)


def _complaint(text: str | None, sample: str | None) -> str:
    if text is not None:
        return text
    if sys.stdin is None:
        return ""
    if sys.stdin.isatty():
        return _read_lines()
    piped = _piped()
    if sample and not piped.strip():
        print(f"入力がないので、例文に答えます: 「{sample}」\n", file=sys.stderr)
        return sample
    return piped


def _piped() -> str:
    """Standard input as UTF-8, else as Windows' Shift_JIS; anything else is refused, since it would be answered as something else."""
    buffer = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        return sys.stdin.read()
    raw = buffer.read()
    for encoding in ("utf-8-sig", "cp932"):
        with contextlib.suppress(UnicodeDecodeError):
            return str(raw.decode(encoding))
    raise InputError("標準入力の文字コードが分かりません。UTF-8かShift_JISで渡してください。")


def _read_lines() -> str:
    print(PROMPT, file=sys.stderr)
    lines: list[str] = []
    while True:
        try:
            line = input("> " if not lines else "  ")
        except EOFError:
            break
        if not line.strip() and lines:
            break
        lines.append(line)
    return "\n".join(lines)


def _assumptions(pairs: list[str] | None, expert: Any) -> dict[str, str]:
    from expert.pipeline import parse_assumption
    from expert.questions import METHOD

    assumed: dict[str, str] = {}
    for name, value in (parse_assumption(pair, expert.knowledge) for pair in pairs or ()):
        assumed[name] = f"{assumed[name]},{value}" if name == METHOD and name in assumed else value  # one may have paid in several ways
    return assumed


def _ask_back(expert: Any, complaint: str, assumed: dict[str, str], answer: Answer) -> Answer:
    """Put the questions one by one; an answer may change which come next. わからない leaves the safer plan as it is."""
    asked: set[str] = set()
    while len(asked) < 5 and (question := next((q for q in answer.questions if q.fact not in asked), None)):
        asked.add(question.fact)
        print(f"\n{question.text}\n  {_changes(expert, question.changes)}", file=sys.stderr)
        value = _replied(question.fact, expert)
        if value:
            assumed = {**assumed, question.fact: value}
            answer = expert.ask(complaint, assume=assumed)
        if answer.fact("danger") == "yes":  # nothing stands before the emergency call
            break
    print(file=sys.stderr)
    return answer


def _replied(fact: str, expert: Any) -> str | None:
    """The value that is answered; asked once more where the reply cannot be read. None for わからない."""
    by_method = fact == "payment_method"
    if by_method:
        print("  " + "  ".join(f"{i} {m.title}" for i, m in enumerate(expert.knowledge.methods.values(), start=1)), file=sys.stderr)
    expected = "番号か名前" if by_method else "「はい」「いいえ」「わからない」のどれか"
    for _ in range(2):
        reply = unicodedata.normalize("NFKC", _reply("  番号か名前 / わからない > " if by_method else "  はい / いいえ / わからない > ")).rstrip(
            "。!"
        )
        value = _value(fact, reply, expert)
        if value or _is_unknown(reply):
            return value
        print(f"  読み取れませんでした。{expected}で答えてください。", file=sys.stderr)
    return None


def _reply(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:
        return ""


def _value(fact: str, reply: str, expert: Any) -> str | None:
    if fact == "payment_method":
        return _method(reply, expert)
    if _is_unknown(reply):
        return None
    if reply.startswith(SURE_STARTS):
        return "yes"
    first, _, rest = reply.replace(",", "、").partition("、")
    said = _plain_value(first)
    return None if said and rest and _plain_value(rest) not in (said, None) else said or _plain_value(reply)


def _plain_value(reply: str) -> str | None:
    if reply.lower() in NO or reply.startswith("まだ") or reply.endswith(NO_ENDS):
        return "no"
    return "yes" if reply.lower() in YES or reply.endswith(YES_ENDS) else None


def _method(reply: str, expert: Any) -> str | None:
    """A way of payment by its number in the list, its title, or as people call it (ペイペイ)."""
    methods = list(expert.knowledge.methods.values())
    if reply.isdecimal():
        return methods[int(reply) - 1].id if 0 < int(reply) <= len(methods) else None
    by_title = [m.id for m in methods if len(reply) > 1 and (reply in m.title or m.title in reply)]
    found = by_title or (expert.understand(reply).attributes.payment_method if reply else ())
    return next(iter(found), None)


def _is_unknown(reply: str) -> bool:
    return reply in DONT_KNOW or reply.startswith(DONT_KNOW_STARTS) or any(word in reply for word in UNSURE)


def _changes(expert: Any, changes: Iterable[str]) -> str:
    actions, desks = expert.knowledge.actions, expert.knowledge.desks
    names = [actions[c].text.split("。")[0] if c in actions else desks[c].name for c in changes if c in actions or c in desks]
    return f"(答えで変わること: {' / '.join(names[:2])}{' など' if len(names) > 2 else ''})"


def _open_questions(answer: Answer) -> Iterable[explanation.Line]:
    if answer.decider and answer.decider.startswith(explanation.CHOICE):
        yield "note", answer.decider
    if answer.questions:
        yield "", ""
        yield "title", "■ 次のことが分かると、もっとはっきり答えられます"
        for question in answer.questions:
            yield "detail", f"  ・{question.text}"


def _print_what_if(expert: Any, complaint: str, assumed: dict[str, str], flipped: dict[str, str]) -> None:
    before, after = expert.ask(complaint, assume=assumed), expert.ask(complaint, assume={**assumed, **flipped})
    difference = explanation.what_if(before, after)
    titles = [expert.knowledge.scenarios[answer.scenario].title for answer in (before, after)]
    scenario = titles[0] if before.scenario == after.scenario else " → ".join(titles)
    print(f"{'、'.join(f'{k}={v}' for k, v in flipped.items())} のとき(場面: {scenario})")
    for mark, name, rows in (("+", "増えるもの", difference["appears"]), ("-", "なくなるもの", difference["goes"])):
        print(f"{name}: {'' if rows else 'なし'}")
        for row in rows:
            print(f"  {mark} {row}")


def _print_page(lines: Iterable[explanation.Line], plain: bool) -> None:
    console = Console(highlight=False, soft_wrap=plain or not sys.stdout.isatty(), no_color=plain or None)
    for style, line in lines:
        indent = len(line) - len(line.lstrip(" "))
        if plain or not sys.stdout.isatty():
            print(line)
        else:
            _print_wrapped(console, line, STYLES.get(style, ""), indent)


def _print_wrapped(console: Console, line: str, style: str, indent: int) -> None:
    """Wrap to the terminal, later lines under the first."""
    for part in wrap(line.strip(), max(20, console.width - indent - 1)):
        console.print(Text(" " * indent + part, style=style), no_wrap=True, overflow="ignore", crop=False)


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells (a Japanese character takes two), none of which begins with a closing mark.

    rich would break Japanese only at blanks.
    """
    lines, line, used = [], "", 0
    for char in text:
        cells = cell_len(char)
        if used + cells > width and char not in _NEVER_FIRST:
            lines.append(line)
            line, used = "", 0
        line += char
        used += cells
    return [*lines, line]
