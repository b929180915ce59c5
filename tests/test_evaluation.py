"""The figures, computed by hand on tiny sets, and `kakekomi eval` as a user meets it."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval import accuracy, baselines
from expert import Expert, comparison, evaluation, metrics, policy, report
from expert.corpus import Example
from expert.errors import EvaluationError
from expert.evaluation import Outcome
from expert.limits import MAX_CHARACTERS
from expert.metrics import FactScore

from .test_command import run

GOLD = ["a", "a", "a", "b", "b", "c"]
SAID = ["a", "a", "b", "b", "c", "a"]


def outcome(id: str, gold: str, predicted: str, **more: Any) -> Outcome:
    blank = Outcome(id, gold, (), predicted, "z", 0.5, False, {}, {}, (), (), (), ())
    return replace(blank, **more)


# ---- metrics --------------------------------------------------------------------------------------------------------


def test_confusion_and_the_scores_of_each_class() -> None:
    counts = metrics.confusion(GOLD, SAID, ["a", "b", "c"])
    assert counts == ((2, 1, 0), (0, 1, 1), (1, 0, 0))
    scores = metrics.class_scores(counts, ["a", "b", "c"])
    assert scores["a"] == metrics.ClassScore(precision=2 / 3, recall=2 / 3, f1=2 / 3, support=3)
    assert scores["b"] == metrics.ClassScore(precision=1 / 2, recall=1 / 2, f1=1 / 2, support=2)
    assert scores["c"] == metrics.ClassScore(precision=0.0, recall=0.0, f1=0.0, support=1)


def test_a_class_that_was_never_answered_has_no_precision() -> None:
    scores = metrics.class_scores(metrics.confusion(["a"], ["b"], ["a", "b"]), ["a", "b"])
    assert scores["a"].precision is None
    assert scores["b"].recall is None


def test_macro_f1_is_the_mean_over_labels_that_occur() -> None:
    assert metrics.macro_f1_interval(GOLD, SAID).value == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # "x" is answered but never a label: it costs recall of "a" and is no class of its own.
    assert metrics.macro_f1_interval(["a", "a"], ["a", "x"]).value == pytest.approx(2 / 3)


def test_intervals_hold_the_value_and_are_the_same_every_time() -> None:
    hits = [True] * 80 + [False] * 20
    found = metrics.mean_interval(hits)
    assert found.value == 0.8
    assert (found.low, found.high) == pytest.approx((0.8 - 1.96 * 0.04, 0.8 + 1.96 * 0.04), abs=0.02)
    assert found == metrics.mean_interval(hits)
    assert metrics.mean_interval([True, True]) == metrics.Interval(1.0, 1.0, 1.0)


def test_calibration_error_by_hand() -> None:
    found = metrics.calibration([0.95, 0.85, 0.85], [True, True, False])
    assert found.ece == pytest.approx((1 * 0.05 + 2 * 0.35) / 3)
    assert [b.count for b in found.bins] == [0] * 8 + [2, 1]
    assert found.bins[8].accuracy == 0.5
    assert found.bins[0].accuracy is None


@pytest.mark.parametrize(("confidence", "place"), [(0.0, 0), (0.1, 0), (0.11, 1), (1.0, 9)])
def test_the_edges_of_the_bins(confidence: float, place: int) -> None:
    assert metrics.calibration([confidence], [True]).bins[place].count == 1


def test_review_takes_the_least_sure_away() -> None:
    sure, right = [0.9, 0.2, 0.8, 0.3, 0.7], [True, False, True, True, False]
    assert metrics.kept_without(sure, right, 0.0) == metrics.Kept(0.0, 3 / 5, None)
    assert metrics.kept_without(sure, right, 0.2) == metrics.Kept(1 / 5, 3 / 4, 0.0)
    assert metrics.kept_without(sure, right, 0.4) == metrics.Kept(2 / 5, 2 / 3, 1 / 2)
    assert metrics.kept_where([True] * 5, right) == metrics.Kept(1.0, None, 3 / 5)


def test_facts_by_hand_and_unsure_ones_count_neither_way() -> None:
    readings: list[metrics.Reading] = [
        ({"paid": "yes"}, {"paid": "yes"}, ()),
        ({"paid": "yes"}, {}, ()),
        ({"paid": "yes"}, {"paid": "no"}, ()),
        ({"paid": "no"}, {"paid": "no"}, ()),
        ({"paid": "no"}, {"paid": "yes"}, ()),
        ({}, {"paid": "yes"}, ()),
        ({}, {}, ()),
        ({}, {"paid": "yes"}, ("paid",)),
        ({"paid": "yes"}, {}, ("paid",)),
    ]
    score = metrics.fact_scores(readings, ["paid"])["paid"]
    assert score == FactScore(true_yes=1, false_yes=2, missed_yes=2, not_yes=4, true_no=1, labelled_no=2, wrong_no=1)
    assert score.precision == 1 / 3
    assert score.recall == 1 / 3
    assert score.f1 == pytest.approx(1 / 3)
    assert score.no_accuracy == 1 / 2
    assert score.false_yes_rate == 2 / 4
    assert metrics.total([score, score]).false_yes == 4


def test_a_fact_that_nobody_labelled_has_no_figures() -> None:
    score = metrics.fact_scores([({}, {}, ())], ["paid"])["paid"]
    assert (score.precision, score.recall, score.f1, score.no_accuracy, score.false_yes_rate) == (None, None, None, None, 0.0)


@pytest.mark.parametrize(("fixed", "broken", "p"), [(0, 0, 1.0), (1, 1, 1.0), (5, 0, 2 / 32), (0, 5, 2 / 32), (10, 2, 2 * (1 + 12 + 66) / 4096)])
def test_mcnemar_exact(fixed: int, broken: int, p: float) -> None:
    assert metrics.mcnemar(fixed, broken) == pytest.approx(p)


# ---- policy, outcomes, safety ---------------------------------------------------------------------------------------


def test_the_floor_of_the_advice_for_a_labelled_case() -> None:
    floor = policy.advice("paid_scammer", {"paid": "yes"}, ("bank_transfer",))
    assert floor.required == (
        *(("p03", x) for x in ("save_evidence", "report_police", "do_not_pay_more", "police_cyber")),
        *(("x01", x) for x in ("call_bank_freeze", "bank")),
        ("x07", "save_evidence"),
    )
    assert policy.advice("ransomware", {}, ()).forbidden == (("n02", "ignore_claim"), ("n02", "power_off"))
    assert policy.advice("out_of_scope", {"danger": "yes"}, ()).forbidden == ()


def test_the_second_candidate_and_the_second_label() -> None:
    case = outcome("1", "a", "b", second="a", accept=("b",))
    assert not case.hit
    assert case.hit_within(1, accept=True)
    assert not case.hit_within(1, accept=False)
    assert case.hit_within(2, accept=False)


def test_safety_names_the_cases(expert: Expert) -> None:
    outcomes = [
        outcome("seen", "phishing", "phishing", gold_facts={"danger": "yes"}, facts={"danger": "yes"}),
        outcome("missed", "phishing", "phishing", gold_facts={"danger": "yes"}),
        outcome("unsure", "phishing", "phishing", unsure_facts=("paid",), facts={"paid": "yes"}),
        outcome("wrong", "phishing", "phishing", gold_facts={"paid": "no"}, facts={"paid": "yes"}),
        outcome("call", "phishing", "phishing", required=(("x04", "stop_card"), ("x04", "card_company")), missing=(("x04", "card_company"),)),
        outcome("other", "phishing", "phishing", required=(("p12", "report_phishing"),), missing=(("p12", "report_phishing"),)),
        outcome("bad", "phishing", "phishing", forbidden=(("n04", "call_110"),)),
    ]
    result = evaluation.evaluate(outcomes, expert, "tiny")
    assert {name: (d.cases, d.of) for name, d in result.safety.items()} == {
        "danger_missed": (("missed",), 2),
        "paid_wrongly_yes": (("wrong",), 6),
        "bank_or_card_call_missed": (("call",), 1),
        "forbidden_advice": (("bad",), 7),
    }
    assert (result.advice.required, result.advice.given, result.advice.recall) == (3, 1, 1 / 3)
    assert result.advice.missing == {"x04 card_company": 1, "p12 report_phishing": 1}


def test_a_text_that_is_refused_is_a_miss(expert: Expert) -> None:
    (case,) = evaluation.run(expert, [Example("1", "あ" * (MAX_CHARACTERS + 1), "phishing")])
    assert (case.predicted, case.hit, case.needs_review) == (evaluation.REFUSED, False, True)
    assert case.missing == case.required
    result = evaluation.evaluate([case], expert, "tiny")
    assert result.refused == 1
    assert "受けつけなかった例が1件" in "\n".join(report.lines(report.tables(result, expert.knowledge), ()))


@pytest.mark.parametrize("examples", [[], [Example("1", "あ", "phishing"), Example("1", "い", "phishing")]])
def test_no_examples_and_double_ids_are_errors(expert: Expert, examples: list[Example]) -> None:
    with pytest.raises(EvaluationError, match=r"一つもありません|同じ id が二度以上あります: 1。"):
        evaluation.run(expert, examples)


def test_the_words_that_decided_add_up_to_the_decision(expert: Expert) -> None:
    text = "通販サイトで靴を買ってお金を3万円振り込んだのに、商品が届かず店と連絡がとれません"
    a, g = (expert.model.scenarios.index(scenario) for scenario in ("goods_not_delivered", "secondhand_trade"))
    words = evaluation.deciding(expert, text, "goods_not_delivered", "secondhand_trade")
    p = {score.scenario: score.value for score in expert.understand(text).scores}
    bias = (expert.model.bias[a] - expert.model.bias[g]) / expert.model.temperature
    assert sum(w for _, w in words) + bias == pytest.approx(math.log(p["goods_not_delivered"] / p["secondhand_trade"]), abs=1e-3)
    assert words[0][1] == max(w for _, w in words)
    assert {"goods_missing=yes", "concept:bank_transfer"} <= {name for name, _ in words}
    assert evaluation.deciding(expert, text, "goods_not_delivered", "never heard of") == ()
    assert [report._feature(name) for name in ("tri:届かず", "concept:vanished", "paid=yes", "number:3", "届く")] == [
        "文字「届かず」",
        "概念 vanished",
        "事実 paid=yes",
        "数「3」",
        "語「届く」",
    ]


# ---- two runs -------------------------------------------------------------------------------------------------------


def test_what_changed_is_judged_by_the_new_labels(expert: Expert) -> None:
    old = [
        outcome("fixed", "phishing", "malware_infected", facts={"paid": "yes"}),
        outcome("broken", "phishing", "phishing", facts={"danger": "yes"}),
        outcome("relabelled", "malware_infected", "malware_infected"),
        outcome("gone", "phishing", "phishing"),
    ]
    new = [
        outcome("fixed", "phishing", "phishing"),
        outcome("broken", "phishing", "malware_infected", facts={"danger": "yes"}),
        outcome("relabelled", "phishing", "phishing", unsure_facts=("paid",), facts={"paid": "yes"}),
        outcome("fresh", "phishing", "phishing"),
    ]
    found = comparison.compare(evaluation.evaluate(new, expert, "tiny"), old, "old.json")
    assert (found.shared, found.only_old, found.only_new, found.relabelled) == (3, 1, 1, 1)
    assert [(c.id, c.fixed, c.broken) for c in found.scenarios] == [("fixed", True, False), ("broken", False, True), ("relabelled", True, False)]
    assert found.p_value == 1.0  # two fixed, one broken
    assert [(c.id, c.fact, c.before, c.after, c.fixed) for c in found.facts] == [("fixed", "paid", "yes", "unknown", True)]
    before, after = found.fact_scores["paid"]
    assert (before.false_yes, after.false_yes) == (1, 0)
    assert [round(i.value, 3) for i in found.hits["hits_at_1"]] == [0.333, 0.667]


# ---- the command ----------------------------------------------------------------------------------------------------

CASES: list[dict[str, Any]] = [
    {
        "id": "t1",
        "text": "通販で前払いで振り込んだのに商品が届かず、店と連絡がとれません",
        "scenario": "goods_not_delivered",
        "facts": {"paid": "yes"},
    },
    {"id": "t2", "text": "身代金を払えという画面が出て、写真も書類も全部暗号化されて開けません", "scenario": "ransomware"},
    {"id": "t3", "text": "明日の天気を教えてください。<b>秘密</b>の言葉", "scenario": "sextortion", "accept": [], "unsure_facts": ["minor"]},
]


@pytest.fixture
def cases(expert: Expert, tmp_path: Path) -> Path:
    assert expert.model  # the cache holds the model, so that commands start fast
    file = tmp_path / "cases.jsonl"
    file.write_text("".join(json.dumps(c, ensure_ascii=False) + "\n" for c in CASES), encoding="utf-8")
    return file


def test_eval_prints_figures_and_no_texts(cases: Path) -> None:
    done = run("eval", str(cases))
    assert done.returncode == 0
    assert done.stdout.startswith("cases.jsonl: 3件(")
    titles = [line for line in done.stdout.splitlines() if line.startswith("■")]
    assert [t.split("(")[0] for t in titles] == [
        "■ 正解率",
        "■ 安全",
        "■ 必要な助言",
        "■ 場面ごと",
        "■ 取りちがえ",
        "■ 自信は当たっているか",
        "■ 人の確認に回すと",
        "■ 事実",
    ]
    assert "天気" not in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "3/3件"
    assert "\x1b[" not in done.stdout


def test_errors_shows_the_text_and_the_words_that_decided(cases: Path) -> None:
    out = run("eval", str(cases), "--errors", "5").stdout
    assert "t3: 正解 sextortion → 答え out_of_scope" in out
    assert "文: 「明日の天気を教えてください。<b>秘密</b>の言葉」" in out
    assert "答えのほうへ引いた語: 語" in out


def test_json_holds_all_figures_and_one_row_a_case(cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert run("eval", str(cases), "--json", str(out)).returncode == 0
    data = json.loads(out.read_text(encoding="utf-8"))
    assert (data["format"], data["cases"], data["name"]) == ("kakekomi-eval-1", 3, "cases.jsonl")
    assert data["hits"]["hits_at_1"]["value"] == pytest.approx(2 / 3)
    assert data["facts"]["all"]["true_yes"] == 1
    row = data["rows"][0]
    assert (row["id"], row["gold"], row["predicted"], row["facts"]["paid"]) == ("t1", "goods_not_delivered", "goods_not_delivered", "yes")
    assert {"second", "confidence", "needs_review"} <= set(row)
    assert "天気" not in out.read_text(encoding="utf-8")
    assert not any(isinstance(x, float) and math.isnan(x) for x in row.values())


def test_html_is_one_file_and_holds_texts_only_when_asked(cases: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert run("eval", str(cases), "--html", str(page)).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    assert not any(word in text for word in ("<script", "<link", "src=", "@import", "url("))
    assert "天気" not in text
    assert run("eval", str(cases), "--html", str(page), "--texts", "--force").returncode == 0
    text = page.read_text(encoding="utf-8")
    assert "明日の天気を教えてください。&lt;b&gt;秘密&lt;/b&gt;" in text
    assert "<b>" not in text


def test_compare_with_an_earlier_run(cases: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    assert run("eval", str(cases), "--json", str(old)).returncode == 0
    data = json.loads(old.read_text(encoding="utf-8"))
    data["rows"][0]["predicted"] = "phishing"
    data["rows"][0]["facts"] = {}
    old.write_text(json.dumps(data), encoding="utf-8")
    out = run("eval", str(cases), "--compare", str(old)).stdout
    assert "■ old.json と比べて" in out
    assert "直った 1件、壊れた 0件。マクネマー検定(両側、正確)p = 1.0000" in out
    assert "phishing → goods_not_delivered(正解 goods_not_delivered)" in out
    assert "paid: unknown → yes(正解 yes)" in out


def test_several_files_and_folders_are_taken_together(cases: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x.jsonl").write_text(json.dumps({**CASES[1], "id": "t9"}), encoding="utf-8")
    assert run("eval", str(cases), str(tmp_path / "more")).stdout.startswith("cases.jsonl、more: 4件(")
    assert run("eval", str(cases), "--limit", "1").stdout.startswith("cases.jsonl: 1件(")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "x", "text": "あ", "scenario": "fishing"}', "cases.jsonl:4行目: 場面「fishing」は使えません(使えるのは unjust_billing、"),
        ('{"id": "x", "text": "あ", "scenario": "phishing", "facts": {"paid": "maybe"}}', "cases.jsonl:4行目: 事実「paid=maybe」は使えません"),
        ('{"id": "x"', "cases.jsonl:4行目: JSONとして読めません"),
        ('{"id": "t1", "text": "あ", "scenario": "phishing"}', "同じ id が二度以上あります: t1。"),
    ],
)
def test_bad_lines_are_named(cases: Path, line: str, message: str) -> None:
    cases.write_text(cases.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    done = run("eval", str(cases))
    assert done.returncode == 5
    assert done.stderr.startswith("エラー: ")
    assert message in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_not_there_or_empty(tmp_path: Path, cases: Path) -> None:
    done = run("eval", str(tmp_path / "no.jsonl"))
    assert (done.returncode, "を開けません" in done.stderr) == (5, True)
    cases.write_text("\n", encoding="utf-8")
    done = run("eval", str(cases))
    assert (done.returncode, "ラベル付きの例が一つもありません" in done.stderr) == (5, True)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--json", "{here}/taken.json"], 2, "taken.json はもうあります。別の名前にするか、--force をつけてください。"),
        (["--json", "{here}/cases.jsonl", "--force"], 2, "cases.jsonl が入力と同じファイルです。"),
        (["--html", "{here}/r", "--json", "{here}/r"], 2, "r に、二つの出力を書くことになります。"),
        (["--json", "{here}/taken.json", "--compare", "{here}/taken.json", "--force"], 2, "taken.json が入力と同じファイルです。"),
        (["--html", "{here}/nowhere/r.html"], 2, "nowhere というフォルダがありません。"),
        (["--texts"], 2, "--texts は --html と一緒に使ってください"),
        (["--limit", "0"], 2, "--limit は1以上の数にしてください。"),
        (["--compare", "{here}/cases.jsonl"], 5, "とは比べられません。「kakekomi eval … --json」で書いたファイルを指定してください。"),
        (["--compare", "{here}/none.json"], 5, "none.json を開けません"),
    ],
)
def test_options_that_cannot_work(cases: Path, tmp_path: Path, options: list[str], code: int, message: str) -> None:
    (tmp_path / "taken.json").write_text("{}", encoding="utf-8")
    before = cases.read_bytes()
    done = run("eval", str(cases), *(o.replace("{here}", str(tmp_path)) for o in options))
    assert done.returncode == code
    assert message in done.stderr
    assert done.stdout == ""
    assert cases.read_bytes() == before


# ---- eval/accuracy.py -----------------------------------------------------------------------------------------------


def test_figures_go_between_the_markers_and_nowhere_else() -> None:
    text = f"before\n{accuracy.OPENING}\nold\n{accuracy.CLOSING}\nafter\n"
    once = accuracy.replaced(text, ["new"])
    assert once == f"before\n{accuracy.OPENING}\n\nnew\n{accuracy.CLOSING}\nafter\n"
    assert accuracy.replaced(once, ["new"]) == once
    with pytest.raises(ValueError, match="がありません"):
        accuracy.replaced("no markers", [])
    assert accuracy.OPENING in accuracy.README.read_text(encoding="utf-8")


def test_parts_of_the_training_split_keep_the_writers_and_hold_each_other() -> None:
    rnd = random.Random(1)
    examples = [Example(str(i), "あ", rnd.choice("xyz"), writer="big" if i % 4 else "small") for i in range(1200)]
    whole = baselines.Texts("train", examples, [None] * 1200, [[]] * 1200, [[]] * 1200)  # type: ignore[list-item]
    half, quarter = (baselines.part(whole, share).examples for share in (1 / 2, 1 / 4))
    assert {e.id for e in quarter} < {e.id for e in half}
    assert len(half) == pytest.approx(600, abs=6)
    assert sum(e.writer == "small" for e in half) == pytest.approx(150, abs=3)


def test_probes_are_told_from_labelled_cases(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"id": "1", "text": "あ", "fact": "paid", "value": "yes"}\n', encoding="utf-8")
    assert len(accuracy.probes(file)) == 1
    file.write_text(json.dumps(CASES[0]), encoding="utf-8")
    assert accuracy.probes(file) == []
