"""The shape of each entry of `rules/`: strict (unknown keys refused), frozen pydantic models."""

import datetime
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from expert.domain import Modality, Urgency

Confidence = Literal["high", "medium", "low"]
_CONDITION = re.compile(r"([a-z_0-9]+)(!=|=|~)([A-Za-z0-9_|]+)\Z")
_NEGATABLE = ("state", "sign", "no_sign", "prefecture", "candidate", "payment_method")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _date(value: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("日付は 2026-11-24 の形で書いてください")
    try:
        datetime.date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value} という日はありません") from error
    return value


Regex = str
"""A regular expression. Compiled only where needed (expert/patterns.py); `kakekomi check` compiles all of them."""
Checked = Annotated[str, AfterValidator(_date)]


class Source(_Strict):
    """The page that says so, and the date it bears."""

    url: str = Field(min_length=1)
    page_date: str | None = None


@dataclass(frozen=True)
class Condition:
    """`key=a|b` (one of these), `key!=a` (none of these; true where unknown), `payment_method~a` (contains one of these), `no_sign=a` (without a)."""

    key: str
    operator: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: Any) -> "Condition":
        """Raises ValueError, saying how a condition is written."""
        found = _CONDITION.match(str(text).replace(" ", ""))
        if not found:
            raise ValueError(f"条件「{text}」は「paid=yes」「scenario!=phishing」「payment_method~prepaid」の形で書いてください")
        key, operator, values = found.groups()
        if operator == "!=" and key in _NEGATABLE:
            raise ValueError(f"「{key}」に != は使えません")
        if (operator == "~") != (key == "payment_method"):
            raise ValueError("~ は payment_method にだけ、payment_method には ~ だけを使います")
        if key == "no_sign" and "|" in values:
            raise ValueError(f"「{text}」の no_sign には、しるしを一つだけ書いてください。二つとも無いときは、条件を二つ書きます")
        return cls(key, operator, tuple(values.split("|")))

    def __str__(self) -> str:
        return f"{self.key}{self.operator}{'|'.join(self.values)}"


def _conditions(raw: Any) -> tuple[Condition, ...]:
    if not isinstance(raw, list):
        raise ValueError('when は ["paid=yes"] のような並びで書いてください')  # pydantic reports ValueError with its place
    return tuple(Condition.parse(c) for c in raw)


Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_conditions)]


def _signs(raw: Any) -> tuple[str, ...]:
    return tuple(str(raw).split("|"))


Signs = Annotated[tuple[str, ...], BeforeValidator(_signs)]


class ScenarioEntry(_Strict):
    """One of the 24 labels; `is_this` is a plain sentence that a person can say yes or no to."""

    id: str
    title: str
    is_this: str


class LexiconEntry(_Strict):
    """A concept to be found: verbs (`acts`, Sudachi normalized forms), what they act on (`things`), and `phrases`.

    A phrase is a regular expression that begins with a literal character; where there are `endings`, one of them must follow it.
    `not_after`: what must not stand right behind a match. `not_with`: words near by in the same sentence that turn it off.
    `inverse`: the concept is the opposite of the fact (届く for goods_missing). `stative`: the present tense tells what is
    (消えない), not what will be (払う). `negated`: what its negation says of the fact.
    """

    id: str
    title: str = ""
    acts: tuple[str, ...] = ()
    things: tuple[Regex, ...] = ()
    phrases: tuple[Regex, ...] = ()
    endings: tuple[Regex, ...] = ()
    not_after: tuple[Regex, ...] = ()
    not_with: tuple[Regex, ...] = ()
    inverse: bool = False
    stative: bool = False
    quoted: bool = False
    """True where the other side's words count (a quoted threat is a threat)."""
    unreal: bool = False
    """True where a question, fear or intention counts as well (死ぬしかないのかな is a wish to die)."""
    asked: bool = False
    """True where the words only say that the other side wanted it (暗証番号を聞かれた): the fact is spoken of, and stays open."""
    weak: bool = False
    """True where the words imply the fact, and count only where nothing else is said of it (残りは払っていない)."""
    deed: bool = False
    """True of a sign that counts only where the text says that it is so or was done: not denied, asked, intended, supposed or quoted."""
    negated: Literal["opposite", "unknown", "same"] = "opposite"
    examples: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> "LexiconEntry":
        if not (self.acts or self.phrases):
            raise ValueError("acts か phrases のどちらかが要ります")
        for phrase in self.phrases:
            if not phrase or phrase[0] in r".^$*+?{}[]\|()":
                raise ValueError(f"phrases の「{phrase}」は、記号ではなく文字から始めてください")
        return self


class FactEntry(_Strict):
    """A fact in words, the question that asks for it, and the concepts by which it is found."""

    id: str
    title: str
    yes: str
    no: str
    question: str
    conflict: Literal["yes_wins", "last_wins"] = "yes_wins"
    concepts: tuple[LexiconEntry, ...] = ()


class CueEntry(_Strict):
    """Words that change what a mention says.

    `direction` (ConText, Chapman et al. 2007): `backward` cues follow their target and are walked word by word to its right;
    `forward` cues stand before it in the same clause; `terminate` ends the walk and the clause; `pseudo` looks like a cue and is none.
    `effect`: `neutral` only lets the walk go on, `negate` turns the polarity,
    `confirmed` turns hearsay before it into fact (the bank said so), `past` and `negate_past` say that it is over and done, the rest is the modality.
    """

    id: str
    direction: Literal["backward", "forward", "terminate", "pseudo"]
    effect: Literal["neutral", "negate", "negate_past", "past", "confirmed"] | Modality
    scope: Literal["adjacent", "clause", "sentence"] = "adjacent"
    patterns: tuple[Regex, ...] = Field(min_length=1)


class ActionEntry(_Strict):
    """What to do or never to do, why, how urgent it is, and who says so.

    `done` names the signs (`a|b`: one of them) that the person has done it; `said_by` the actions (likewise) that say the same and more;
    `answers` is true of the answer to a question that the person put.
    """

    id: str
    urgency: Urgency
    rank: int
    text: str
    why: str
    confidence: Confidence
    sources: tuple[Source, ...] = Field(min_length=1)
    checked: Checked
    done: Signs = ()
    said_by: Signs = ()
    answers: bool = False
    note: str | None = None


class Phone(_Strict):
    """A number, and what to know before calling it."""

    number: str
    note: str | None = None


class DeskEntry(_Strict):
    """Whom one can call or write to, what for, and when it is open."""

    id: str
    name: str
    kind: str
    rank: int
    phones: tuple[Phone, ...] = ()
    url: str | None = None
    email: str | None = None
    hours: str | None = None
    how: str | None = None
    why: str
    not_for: str | None = None
    confidence: Confidence
    sources: tuple[Source, ...] = Field(min_length=1)
    checked: Checked
    note: str | None = None

    @model_validator(mode="after")
    def _reachable(self) -> "DeskEntry":
        if not (self.phones or self.url or self.how):
            raise ValueError("phones、url、how のどれかが要ります")
        return self


class PoliceDeskEntry(_Strict):
    """The cyber desk of a prefecture's police, and the number that answers where it does not."""

    prefecture: str
    prefecture_name: str
    police: str
    department: str | None = None
    phone: str | None = None
    phone_kind: str | None = None
    fallback_phone: str
    hours: str | None = None
    url: str | None = None
    confidence: Confidence
    sources: tuple[Source, ...] = Field(min_length=1)
    checked: Checked
    note: str | None = None


class RuleExample(_Strict):
    """Facts under which a rule has to fire, or must not."""

    facts: dict[str, str | list[str]]
    fires: bool


MOST_CONDITIONS = 16
"""Of a rule: with 17, durable_rules 2.0.28 writes beyond its own memory (error 304, or a crash)."""


class RuleEntry(_Strict):
    """Conditions that must all hold -> actions and desks, or states, or a revised scenario."""

    id: str
    when: Conditions
    because: str
    actions: tuple[str, ...] = ()
    desks: tuple[str, ...] = ()
    declare: tuple[str, ...] = ()
    revise: str | None = None
    even_if_sure: bool = False
    """It revises also a scenario of which the classifier is sure: what is advised there cannot be right with such facts."""
    urgency: Urgency | None = None
    salience: int = Field(default=0, ge=0, le=1000)
    source: Source
    confidence: Confidence
    checked: Checked
    note: str | None = None
    examples: tuple[RuleExample, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _one_kind(self) -> "RuleEntry":
        kinds = [bool(self.actions or self.desks), bool(self.declare), bool(self.revise)]
        if sum(kinds) != 1:
            raise ValueError("規則は、助言(actions/desks)・状態(declare)・場面の見直し(revise)のどれか一つです")
        if self.even_if_sure and not self.revise:
            raise ValueError("even_if_sure は場面の見直し(revise)にだけ使えます")
        later = {"scenario"} if self.stage == "understanding" else {"candidate"}
        if bad := [str(c) for c in self.when if c.key in later]:
            raise ValueError(f"この種類の規則では「{bad[0]}」を使えません(助言はscenario、状態と見直しはcandidate)")
        if len(self.when) > MOST_CONDITIONS:
            raise ValueError(
                f"条件が{len(self.when)}個あります。{MOST_CONDITIONS}個までです。先に決まることを declare でまとめ、state= で使ってください"
            )
        if {e.fires for e in self.examples} != {True, False}:
            raise ValueError("examples には fires: true と fires: false が少なくとも一つずつ要ります")
        return self

    @property
    def stage(self) -> Literal["understanding", "advice"]:
        """States and revisions are settled before any advice is drawn."""
        return "advice" if self.actions or self.desks else "understanding"
