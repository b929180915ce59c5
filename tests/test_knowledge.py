"""Loading is strict and names every fault with file, line and path; one broken file a fault."""

import datetime
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from expert import checks, knowledge
from expert.errors import KnowledgeError
from expert.literals import beginnings
from expert.matcher import Matcher
from expert.patterns import LazyPattern, PatternTable, Searcher
from expert.schema import LexiconEntry

from .conftest import ROOT

RULE = """rules:
  - id: t.one
    when: ["paid=yes"]
    because: "理由"
    actions: [save_evidence]
    source: {url: "https://example.com"}
    confidence: high
    checked: "2026-11-24"
    examples:
      - {facts: {paid: "yes"}, fires: true}
      - {facts: {paid: "no"}, fires: false}
"""

ACTION = """
actions:
  - id: t_dance
    urgency: soon
    rank: 9999
    done: danced
    text: "踊ってください。"
    why: "理由"
    confidence: high
    sources:
      - {url: "https://example.com"}
    checked: "2026-11-24"
"""

SIGN = """signs:
  - id: wish_to_die
    title: 名前が同じしるし
    phrases: ['消えたい']
"""

FAULTS = [
    ("unknown sign of an action", ACTION, "actions/t_dance: done の「danced」は signs にありません"),
    (
        "said by itself",
        ACTION.replace("done: danced", "said_by: t_dance"),
        "actions/t_dance: said_by の「t_dance」は、ほかの動作の id ではありません",
    ),
    ("sign that is no deed", ACTION.replace("danced", "net_banking"), "actions/t_dance: done の「net_banking」には、signs で deed: true が要ります"),
    ("sign with the id of a concept", SIGN, "signs/wish_to_die: 概念「wish_to_die」は danger にもあります"),
    ("unknown key", RULE.replace("because:", "reason: x\n    because:"), "t.yaml:4: rules[t.one].reason: 知らない項目です"),
    ("missing key", RULE.replace('    because: "理由"\n', ""), "t.yaml:2: rules[t.one].because: 必要な項目がありません"),
    ("duplicate key", RULE.replace("confidence: high", "confidence: high\n    confidence: low"), "t.yaml:8: 「confidence」が二度書かれています"),
    ("duplicate id", RULE + RULE.removeprefix("rules:\n"), "t.yaml:12: rules: id「t.one」は t.yaml:2 にもあります"),
    ("not yaml", RULE.replace('["paid=yes"]', '["paid=yes"'), "YAMLとして読めません"),
    ("unknown action", RULE.replace("save_evidence", "dance"), "t.yaml:2: rules/t.one: 動作「dance」は actions にありません"),
    ("unknown fact", RULE.replace('["paid=yes"]', '["payed=yes"]'), "条件「payed=yes」の「payed」は事実の名前ではありません"),
    ("bad value", RULE.replace('["paid=yes"]', '["paid=maybe"]'), "条件「paid=maybe」の値「maybe」は使えません"),
    (
        "bad condition",
        RULE.replace('["paid=yes"]', '["paid"]'),
        "条件「paid」は「paid=yes」「scenario!=phishing」「payment_method~prepaid」の形で書いてください",
    ),
    (
        "two signs at once that are not there",
        RULE.replace('["paid=yes"]', '["no_sign=job|refund_offer"]'),
        "「no_sign=job|refund_offer」の no_sign には、しるしを一つだけ書いてください",
    ),
    ("bad date", RULE.replace("2026-11-24", "24.11.2026"), "日付は 2026-11-24 の形で書いてください"),
    (
        "two kinds",
        RULE.replace("actions:", "declare: [x]\n    actions:"),
        "規則は、助言(actions/desks)・状態(declare)・場面の見直し(revise)のどれか一つです",
    ),
    ("one-sided examples", RULE.replace("fires: false", "fires: true"), "fires: true と fires: false が少なくとも一つずつ要ります"),
    (
        "unknown fact in an example",
        RULE.replace('{facts: {paid: "no"}', '{facts: {payed: "no"}'),
        "examples の条件「payed=no」の「payed」は事実の名前ではありません",
    ),
    ("empty condition", RULE.replace('["paid=yes"]', ""), 'when は ["paid=yes"] のような並びで書いてください'),
    (
        "too many conditions",
        RULE.replace('["paid=yes"]', str([f"sign=s{i}" for i in range(17)]).replace("'", '"')),
        "条件が17個あります。16個までです",
    ),
    ("condition without brackets", RULE.replace('["paid=yes"]', "paid=yes"), 'when は ["paid=yes"] のような並びで書いてください'),
    ("no such day", RULE.replace("2026-11-24", "2026-13-45"), "2026-13-45 という日はありません"),
    ("empty phrase", "signs:\n  - id: x\n    phrases: ['']\n", "phrases の「」は、記号ではなく文字から始めてください"),
    ("unknown section", "regeln:\n  - id: x\n", "t.yaml:1: regeln: 節は"),
    ("empty file", "", "「rules:」のような節の名前から始めてください"),
]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A copy of the real knowledge to break."""
    copy = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", copy)
    return copy


@pytest.mark.parametrize(("broken", "fault"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_each_fault_is_named_with_its_place(rules: Path, broken: str, fault: str) -> None:
    (rules / "t.yaml").write_text(broken, encoding="utf-8")
    with pytest.raises(KnowledgeError) as error:
        knowledge.load(rules)
    assert fault in str(error.value)


def test_all_faults_are_reported_at_once(rules: Path) -> None:
    (rules / "a.yaml").write_text(RULE.replace("save_evidence", "dance"), encoding="utf-8")
    (rules / "b.yaml").write_text(RULE.replace("t.one", "t.two").replace("high", "sure"), encoding="utf-8")
    with pytest.raises(KnowledgeError) as error:
        knowledge.load(rules)
    assert len(error.value.faults) == 2


def test_a_refused_rule_does_not_blame_those_that_need_its_state(rules: Path) -> None:
    money = rules / "topics" / "money.yaml"
    money.write_text(money.read_text(encoding="utf-8").replace("confidence: high", "confidence: sure", 1), encoding="utf-8")
    with pytest.raises(KnowledgeError) as error:
        knowledge.load(rules)
    assert len(error.value.faults) == 1


@pytest.mark.parametrize("broken", ["phrasez:", "phrases: ["])
def test_one_fault_in_a_fact_does_not_blame_the_rules_that_name_it(rules: Path, broken: str) -> None:
    danger = rules / "facts" / "danger.yaml"
    danger.write_text(danger.read_text(encoding="utf-8").replace("phrases:", broken, 1), encoding="utf-8")
    with pytest.raises(KnowledgeError) as error:
        knowledge.load(rules)
    assert all(fault.startswith("facts/danger.yaml:") for fault in error.value.faults)


@pytest.mark.parametrize(
    "use", [lambda: Searcher(["払(った"]).search("払った", 0, 3), lambda: LazyPattern("払(った").compiled, lambda: beginnings("払(")]
)
def test_a_faulty_regular_expression_is_told_in_words(use: Callable[[], object]) -> None:
    with pytest.raises(KnowledgeError, match="正規表現「払"):
        use()


def test_a_fault_that_only_compiling_finds_names_the_pattern_as_it_was_written() -> None:
    faulty = "(?<=あ+)い"
    for use in (lambda: LazyPattern(faulty).guarded, lambda: PatternTable([(faulty, "cue")]).match("いい", 0)):
        with pytest.raises(KnowledgeError, match=f"正規表現「{re.escape(faulty)}」に誤りがあります"):
            use()


def test_a_folder_without_knowledge_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"知識ファイル\(\*\.yaml\)がありません"):
        knowledge.load(tmp_path)


def _remarks(rules: Path, today: datetime.date | None = None) -> str:
    return "\n".join(f"{r.severity} {r.where} {r.text}" for r in checks.advise(knowledge.load(rules), today))


@pytest.mark.parametrize(
    ("extra", "remark"),
    [
        (RULE.replace('["paid=yes"]', '["paid=yes", "paid=no"]'), "規則 t.one は「paid」の条件が食い違うので、決して働きません"),
        (RULE.replace('paid: "no"}', 'paid: "yes"}'), "で働かないはずが働きます"),
        (RULE.replace('paid: "yes"}', 'paid: "no"}'), "で働くはずが働きません"),
        (RULE.replace("actions: [save_evidence]", "declare: [dreaming]"), "状態「dreaming」を使う規則がありません"),
        (RULE.replace("2026-11-24", "2020-01-01"), "t.one: 2020-01-01 から1年以上確かめていません"),
    ],
)
def test_what_loads_but_could_be_better_is_remarked(rules: Path, extra: str, remark: str) -> None:
    (rules / "t.yaml").write_text(extra, encoding="utf-8")
    assert remark in _remarks(rules, datetime.date(2026, 11, 24))


def test_the_knowledge_itself_draws_no_error() -> None:
    assert [r for r in checks.advise(knowledge.load()) if r.severity == "error"] == []


def test_a_year_later_everything_is_stale() -> None:
    loaded = knowledge.load()
    stale = [r for r in checks.advise(loaded, datetime.date(2028, 1, 1)) if "1年以上" in r.text]
    assert len(stale) == len(loaded.rules) + len(loaded.actions) + len(loaded.desks) + len(loaded.police_desks)


def test_a_thing_that_may_begin_with_anything_is_named() -> None:
    entry = LexiconEntry.model_validate({"id": "c", "title": "c", "acts": ["払う"], "things": ["[^a]金", "お金"]})
    with pytest.raises(KnowledgeError) as error:
        Matcher([entry])
    assert "概念 c: things の「[^a]金」は、どの文字で始まるかが決まりません" in str(error.value)
