"""Sums, ways of payment, place, device and time read from the text and the mentions."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from expert.domain import Attributes, Fact, Mention, TokenizedText
from expert.knowledge import KnowledgeBase
from expert.numerals import NUMERAL, number

_ELSEWHERE = re.compile(
    r"(?:県警|府警|警|地裁|地方裁判|簡裁|簡易裁判|支店|市内の(?:店|会社)|で(?:引き|おろ|使|買)"
    r"|の(?:刑事|検察|検事|捜査|警察(?:官|署)?(?:さん)?(?:を名乗|だと|と名乗|という|っていう|から(?:の)?電話|から、))"
    r"|[^。、「」]{0,8}(?:に|へ|まで)[^。、「」]{0,4}(?:行け|来い|行って(?:こい|来い|くれ|ほし|[^。、「」]{0,14}(?:こい|来い|くれ|ほし|ください))|来て(?:くれ|ほし|ください)"
    r"|(?:行く|来る|向かう)よう(?:に)?(?:と)?(?:言|い|指示)|行けと|来いと)"
    r"|(?:[^。、 ]{1,6}[区市町村])?の(?:店|会社(?!員|で働|に勤)|倉庫|業者|住所|法人|弁護士|法律|司法書士|債権|ATM|コンビニ))"
)
_SENDER = re.compile(r"(?:差出人|送り主|発信元|発送元|送信元|会社|業者|事務所|本社|所在地)(?:の住所|の所在地|の本社)?[はがもに、「(]{1,2}$")
_RELATIVE = re.compile(r"(?:息子|娘|孫)(?:さん|たち|夫婦)?は$")
"""Who lives elsewhere: 娘は東京で働いていて."""
_COUNTER = re.compile("[代院葉草]|人|名|件|回|個|台|枚|年|歩|本|冊|通|社|校|キロ|ポイント|種類|ドル|ユーロ|ウォン|元|フォロワー|再生")
"""What is counted where no yen stand; 三千代, 八千草 are names."""
_MONEY = re.compile(r"[円万千]")
_RECEIVED = re.compile(r"円?(?:分|くらい|ほど)?[がもはを]?(?:入る|入って|もら[えっい]|貰|稼|儲|受け取|出金でき|戻|返金|にな[っり])")
"""What follows a sum that the person got or was promised."""
_LARGEST = 10**12
_KINDS = ("methods", "signs", "devices", "elapsed", "prefectures")


class AttributeReader:
    """Knows which concept belongs to which attribute; `read` is a pure function of its arguments."""

    def __init__(self, knowledge: KnowledgeBase, holds: Callable[[Mention, TokenizedText], bool]) -> None:
        """`holds` tells whether a mention says what was done: the signs that somebody has done something count only then."""
        self._kind = {c: kind for kind in _KINDS for c in getattr(knowledge, kind)}
        self._deeds = {sign.id for sign in knowledge.deeds}
        self._holds = holds

    def read(self, text: TokenizedText, mentions: Sequence[Mention], facts: Iterable[Fact]) -> tuple[Attributes, tuple[str, ...]]:
        """The attributes, and the signs of a situation, each in the order of the text."""
        found: dict[str, dict[str, Mention]] = {kind: {} for kind in _KINDS}
        for mention in mentions:
            if (kind := self._kind.get(mention.concept)) and (mention.concept not in self._deeds or self._holds(mention, text)):
                found[kind].setdefault(mention.concept, mention)
        paid = next((f for f in facts if f.id == "paid" and f.value == "yes"), None)
        attributes = Attributes(
            amount_jpy=_amount(text, paid),
            payment_method=tuple(found["methods"]),
            prefecture=_prefecture(found["prefectures"], text.normal),
            device=next(iter(found["devices"]), None),
            elapsed=_words(next(iter(found["elapsed"].values()), None), text),
        )
        return attributes, tuple(found["signs"])


def _amount(text: TokenizedText, paid: Fact | None) -> int | None:
    """The sum in yen that stands nearest to the words of payment, else the first one."""
    sums = list(_sums(text.normal))
    if not sums:
        return None
    if paid and not paid.why.startswith("learnt"):  # a learnt fact has a clause, not a place
        at = paid.evidence[-1].end
        sums.sort(key=lambda s: (bool(_RECEIVED.match(text.normal, s[2])), abs(text.original(s[0], s[0]).start - at)))
    return sums[0][1]


def _sums(normal: str) -> Iterable[tuple[int, int, int]]:
    """Place, value and end of the sums in yen; 12万 is one too where nothing is counted (12万人)."""
    if not _MONEY.search(normal):
        return
    for found in NUMERAL.finditer(normal):
        numeral, end = found[0], found.end()
        alone = numeral[-1] in "万千" and len(numeral) > 1 and not _COUNTER.match(normal, end)
        if alone or normal.startswith("円", end):
            value = number(numeral)
            if value is not None and 1 < value < _LARGEST:  # 一円も払っていない is no sum
                yield found.start(), value, end


def _prefecture(found: Mapping[str, Mention], normal: str) -> str | None:
    """Where the person is: not the place of a shop, a court or a policeman that is named, of a child who lives elsewhere, or one to be gone to."""
    for prefecture, mention in found.items():
        before = normal[max(0, mention.start - 14) : mention.start]
        if not _ELSEWHERE.match(normal, mention.end) and not _SENDER.search(before) and not _RELATIVE.search(before):
            return prefecture
    return None


def _words(mention: Mention | None, text: TokenizedText) -> str | None:
    if mention is None:
        return None
    span = text.original(mention.start, mention.end)
    return text.text[span.start : span.end]
