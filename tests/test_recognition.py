"""Two readers of facts: what the rules read, and what the model has learnt from whole stories."""

import numpy as np
import pytest

from expert import hints, training
from expert.alarm import Alarm, sentences
from expert.domain import Fact, Mention, Modality, TokenizedText
from expert.errors import EvaluationError
from expert.pipeline import _NEARLY, Expert
from expert.recognition import SHORT_TEXT, WEIGHTS, Recognizer

LONG = "あ" * (SHORT_TEXT + 1)
TOLD = (
    "先月の終わりごろ、銀行から届いた確認のメールのとおりに、画面に契約者番号と暗証番号、それにカードの裏の数字の表まで入れました。"
    "きのう記帳に行きましたら、残高がすっかり空になっていて、知らない名前のところへ三度に分けて出ていったことになっておりました。"
)


def text(normal: str) -> TokenizedText:
    return TokenizedText(normal, normal, None, [], [], lambda _: 0)


def settle(normal: str, odds: float, *, read: str | None = None, spoken_of: bool = False, **more: object) -> str | None:
    fact, denial = str(more.get("fact", "paid")), float(str(more.get("denial", -1.0)))
    recognizer = Recognizer(
        [(fact, "yes"), (fact, "no")], {"concept": fact}, np.array([[0.5]]), lambda *_: Modality(str(more.get("modality", "future")))
    )
    mentions = [Mention("concept", 0, 0, 2)] if spoken_of or read else []
    known = [Fact(fact, read, ())] if read in ("yes", "no") else []  # type: ignore[arg-type]
    found = recognizer.settle(
        text(normal),
        mentions,
        known,
        recognizer.heard(np.array([[odds]]), np.array([[0.0, denial]]))[0],
        lambda _, statements: [(0, 2)] * len(statements),
    )
    return next((f.value for f in found), None)


@pytest.mark.parametrize(
    ("odds", "more", "settled"),
    [
        (2.0, {}, "yes"),
        (2.0, {"spoken_of": True}, "yes"),
        (2.0, {"spoken_of": True, "modality": "demand"}, None),
        (9.0, {"spoken_of": True, "modality": "actual"}, "yes"),
        (9.0, {"spoken_of": True, "modality": "almost"}, None),
        (-0.1, {}, None),
        (-0.1, {"read": "yes"}, "yes"),
        (-4.0, {"read": "yes"}, None),
        (-9.0, {"read": "yes", "fact": "danger"}, "yes"),
        (-2.0, {"denial": 0.5}, "no"),
        (2.0, {"denial": 0.5}, "yes"),
        (2.0, {"read": "no", "denial": 0.0}, "no"),
        (-2.0, {"read": "no", "denial": -0.9}, None),
        (1.2, {"read": "no", "denial": -0.9}, None),
        (3.0, {"read": "no", "denial": -0.9}, "yes"),
        (-4.0, {"read": "yes", "denial": 0.5}, "no"),
    ],
)
def test_a_long_text_is_read_by_both(odds: float, more: dict[str, object], settled: str | None) -> None:
    assert settle(LONG, odds, **more) == settled  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("odds", "more", "settled"),
    [
        (9.0, {"spoken_of": True}, None),
        (-9.0, {"read": "yes"}, "yes"),
        (9.0, {"read": "no"}, "no"),
        (9.0, {}, "yes"),
        (0.3, {}, None),
        (-2.0, {"denial": 0.5}, None),
    ],
)
def test_of_a_short_text_the_rules_alone_decide_what_they_find_spoken_of(odds: float, more: dict[str, object], settled: str | None) -> None:
    assert settle("あ" * SHORT_TEXT, odds, **more) == settled  # type: ignore[arg-type]


def test_a_fact_is_likelier_where_the_scenario_makes_it_likely() -> None:
    recognizer = Recognizer([("new_fact", "yes"), ("new_fact", "no")], {}, np.array([[0.9], [0.01]]), lambda *_: Modality.ACTUAL)
    odds = recognizer.log_odds(np.array([[0.0, 0.3], [0.0, 0.3]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert odds[0, 0] > 1 > -1 > odds[1, 0]
    assert odds.shape == (2, 1)


def test_a_no_of_the_rules_stands_where_the_model_has_not_learnt_to_deny() -> None:
    recognizer = Recognizer([("danger", "yes")], {}, np.array([[0.5]]), lambda *_: Modality.ACTUAL)
    kept = recognizer.settle(text(LONG), [], [Fact("danger", "no", ())], recognizer.heard(np.array([[-9.0]]), np.array([[0.0]]))[0], None)
    assert [(f.id, f.value) for f in kept] == [("danger", "no")]


@pytest.mark.parametrize(("untaught", "settled"), [(frozenset({"paid"}), [("paid", "yes")]), (frozenset(), [])])
def test_of_a_fact_that_no_example_states_the_rules_alone_decide(untaught: frozenset[str], settled: list[tuple[str, str]]) -> None:
    recognizer = Recognizer([("paid", "yes")], {}, np.array([[0.002]]), lambda *_: Modality.ACTUAL, untaught)
    kept = recognizer.settle(text(LONG), [], [Fact("paid", "yes", ())], recognizer.heard(np.array([[-7.0]]), np.array([[-1.0]]))[0], None)
    assert [(f.id, f.value) for f in kept] == settled


def test_the_weights_are_of_the_facts_and_of_what_the_model_says(expert: Expert) -> None:
    head, *rows = [line.split("\t") for line in WEIGHTS.read_text(encoding="utf-8").splitlines()]
    assert [row[0] for row in rows] == list(expert.knowledge.facts)
    assert set(map("=".join, expert.model.statements)) <= set(head)
    assert not expert.model.untaught()


def test_every_hint_that_is_weighed_is_known(expert: Expert) -> None:
    kb = expert.knowledge
    head, *rows = [line.split("\t") for line in hints.WEIGHTS.read_text(encoding="utf-8").splitlines()]
    weighed = {row[0] for row in rows}
    concepts = {hints.CONCEPT + id for id in (*expert.assertion.fact_of, *kb.signs, *kb.methods, *kb.devices)}
    assert head[1:] == [*kb.facts, *expert.model.scenarios]
    assert weighed <= {*concepts, *(f"{fact}={value}" for fact in kb.facts for value in ("yes", "no"))}
    assert len(weighed & concepts) > 400


def test_a_hint_counts_once_for_facts_and_scenarios_and_what_is_unknown_not_at_all() -> None:
    weighing = hints.Hints(["goods_not_delivered", "new"], ["goods_missing", "new_fact"])
    mentions = [Mention("goods_come_not", 0, 0, 2)]
    found = [hints.found_in(*given) for given in ((mentions, []), (mentions * 2, []), ([], []), (mentions, [Fact("goods_missing", "yes", ())]))]
    of_scenarios, of_facts = weighing.weigh([*found, ["concept:unheard_of"]])
    assert (of_scenarios[0] == of_scenarios[1]).all()
    assert of_scenarios[3, 0] > of_scenarios[0, 0] > 0
    assert of_facts[0, 0] > 0
    assert not of_scenarios[:, 1].any()
    assert not of_facts[:, 1].any()
    assert not of_scenarios[[2, 4]].any()


def test_a_fact_without_weights_goes_by_the_model_and_the_rules() -> None:
    recognizer = Recognizer([("new_fact", "yes"), ("paid", "yes")], {}, np.array([[0.5, 0.5]]), lambda *_: Modality.ACTUAL)
    odds = recognizer.log_odds(np.array([[1.0, 0.0], [-1.0, 0.0], [-1.0, 1.0]]), np.array([[1.0], [1.0], [1.0]]))
    assert odds[0, 0] > 1 > -1 > odds[1, 0] == odds[2, 0]
    heard = recognizer.heard(np.array([[-0.3, -9.0]]), np.array([[0.0, 0.0]]))[0]
    assert [f.id for f in recognizer.settle(text(LONG), [], [Fact("new_fact", "yes", ())], heard, None)] == ["new_fact"]


@pytest.mark.parametrize("fact", ["paid", "seller_unreachable", "contacted_them", "unauthorized_use"])
def test_a_model_of_few_statements_reads_a_fact_only_where_it_says_so(fact: str) -> None:
    recognizer = Recognizer([(fact, "yes")], {}, np.array([[0.5]]), lambda *_: Modality.ACTUAL)
    unsaid, said = recognizer.log_odds(np.array([[-1.0], [1.0]]), np.array([[1.0], [1.0]]))[:, 0]
    assert unsaid < -1 < 1 < said


def test_what_other_facts_make_likely_counts_too() -> None:
    recognizer = Recognizer([("bank_codes_entered", "yes"), ("unauthorized_use", "yes")], {}, np.array([[0.5, 0.5]]), lambda *_: Modality.ACTUAL)
    alone, beside = recognizer.log_odds(np.array([[0.0, -1.0], [0.0, 1.0]]), np.array([[1.0], [1.0]]))[:, 0]
    assert alone != pytest.approx(beside)


def test_what_is_demanded_at_last_has_not_happened(expert: Expert) -> None:
    told = (
        "警察を名乗る電話があり、あなたの口座が犯罪に使われていると言われ、ビデオ通話で逮捕状を見せられました。200万円を振り込むように言われています"
    )
    assert expert.ask(told, questions=False).fact("paid") != "yes"


@pytest.mark.parametrize(
    ("behind", "value"), [("心配です。", "unknown"), ("これは本当でしょうか。", "unknown"), ("送ってしまったのですが、どうすればいいですか。", "yes")]
)
def test_a_question_behind_what_is_demanded_leaves_it_open(expert: Expert, behind: str, value: str) -> None:
    told = "知らない弁護士という人から電話があり、息子が起こした事故の示談金として、30万円を宅配便で送るように言われました。"
    assert expert.ask(told + behind, questions=False).fact("paid") == value


def test_a_learnt_no_shows_its_words(expert: Expert) -> None:
    told = (
        "夜中に目が覚めて、知らない会社から届いた請求のメールをもう一度読み返しました。期限は明日の正午とありましたけれども、夫と話しまして、"
        "こちらから何か言うのはやめておこうということになり、その番号にはふれずに、メールはそのままにしてあります。お金も一円も出しておりません。"
    )
    found = {f.id: f for f in expert.ask(told, questions=False).facts}
    assert found["paid"].value == "no"
    assert all(told[e.start : e.end] == e.text and e.text for f in found.values() for e in f.evidence)


def test_what_is_told_in_a_roundabout_way_is_read_and_shown(expert: Expert) -> None:
    found = expert.ask(TOLD, questions=False).facts
    assert {"unauthorized_use", "bank_codes_entered"} <= {f.id for f in found if f.value == "yes"}
    for fact in found:
        assert all(TOLD[e.start : e.end] == e.text and e.text.strip() for e in fact.evidence)


@pytest.mark.parametrize("odd", ["。" * 60, "…" * 60, "\n" + "😱" * 60, "、「」" * 30 + "払った"])
def test_odd_long_texts_have_evidence_in_range(expert: Expert, odd: str) -> None:
    for fact in expert.understand(odd).facts:
        assert all(odd[e.start : e.end] == e.text for e in fact.evidence)
    tokens = expert.tokenizer.tokenize(odd)
    if tokens.lemmas:
        reading = expert.scorer.read([tokens])
        for start, end in reading.clauses(0, tokens, expert.model.statements):
            assert 0 <= start < end <= len(tokens.normal)


def test_the_cues_of_what_nearly_happened_exist(expert: Expert) -> None:
    assert {cue.id for cue in expert.knowledge.cues} >= _NEARLY


def test_what_nearly_happened_in_a_long_text_has_not_happened(expert: Expert) -> None:
    told = "Dokoの銀行かわからないけどSMSのリンクから口座番号とワンタイムパスワードを入れそうになりました。入れてません。朝の忙しい時間でした。"
    assert expert.ask(told, questions=False).fact("bank_codes_entered") != "yes"


SIDES = [("屋根に上って泣いている", True), ("屋根から下りてこない", True), ("屋根の修理を頼んだ", False), ("荷物が届かない", False)]


CRIES = ["荷物が届きません。子どもが屋根の上でわめいています。", "店に電話しました。屋根の端でわめく人がいます。修理の代金を払いました。"]


def small_alarm() -> Alarm:
    made = training.fit_alarm(SIDES * 3, CRIES, ["荷物が届きません。店に電話しました。", "修理の代金を払いました。"])
    assert made is not None
    return made


def test_the_most_alarming_sentence_is_heard() -> None:
    text = "荷物が届きません。子どもが屋根に上って泣いています。店に電話しました。"
    heard, calm = small_alarm().hear([text, "荷物が届きません"])
    assert text[heard.begin : heard.end] == "子どもが屋根に上って泣いています。"
    assert heard.value > calm.value


@pytest.mark.parametrize("text", ["", "。", "あ", "\U00010ffff\ud800", "長い" * 500])
def test_any_text_can_be_heard(text: str) -> None:
    (heard,) = small_alarm().hear([text])
    assert 0 <= heard.begin <= heard.end <= len(text)
    assert "".join(text[a:b] for a, b in sentences(text)) == text


def test_of_a_story_the_sentence_that_alarms_is_learnt() -> None:
    crying, paying = small_alarm().hear(["わめいています", "代金を払いました"])
    assert crying.value > 0 > paying.value


def test_no_sentences_no_alarm() -> None:
    assert training.fit_alarm([], [], ["荷物が届きません。"]) is None


@pytest.mark.parametrize("danger", [True, False])
def test_sentences_of_one_side_teach_nothing(danger: bool) -> None:
    with pytest.raises(EvaluationError, match="両方"):
        training.fit_alarm([("屋根に上って泣いている", danger)], [], ["荷物が届きません。"])


DANGER = [
    ("夫がまた酔って暴れていて、子どもと風呂場に鍵をかけて隠れています。", "yes"),
    ("投資の会社に百万円払いました。だまされたと分かった母が、夜中に裸足で踏切のほうへ歩いていきました。", "yes"),
    ("注文した靴が届きません。店に電話しても話し中で、腹が立って死ぬほどイライラします。どうすればお金は戻りますか。", None),
    ("プリンターが死にました。保証書をなくしたのですが、修理してもらえますか。来週の会議までに使いたいです。", None),
    ("金曜の夜はレポートで、もう月曜から死んでます。プリンターの紙詰まりの直し方を教えてください。", None),
    ("ラスボスがつよくて何回もやられた。つらい、もうおわりだ、きえる。攻略サイトのおすすめはありますか。", None),
    ("親ガチャに外れた。さっき家にある睡眠薬を百錠ならべて、一つずつ数えながら口に入れています。", "yes"),
    ("ゲームのアカウントを取られました。ガチャも全部なくなりました。もう死ぬしかないです。", "yes"),
    ("夫が妻を蹴って、起き上がれません。まだ家の中で怒鳴っています。どうしたらいいですか。", "yes"),
    ("息子から「もう消えてなくなりたい」とLINEが来ました。写真をばらまかれたそうです。", "yes"),
    ("写真をばらまかれたら、恥ずかしくて月曜に死にます。さようなら。", "yes"),
]


@pytest.mark.parametrize(("text", "danger"), DANGER)
def test_danger_is_heard_in_one_sentence(expert: Expert, text: str, danger: str | None) -> None:
    assert next((f.value for f in expert.ask(text).facts if f.id == "danger"), None) == danger


def test_what_may_be_danger_is_asked_first(expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "知らない会社から請求のメールが来ました。まだ払っていません。どうすればよいでしょうか。"
    assert all(q.fact != "danger" for q in expert.ask(text).questions)
    monkeypatch.setattr("expert.recognition.UNEASY", -100.0)
    assert expert.ask(text).questions[0].fact == "danger"


DOUBTED = [
    "小説を書いています。主人公が遺書を残していなくなる場面の書き方で悩んでいます。書きやすいアプリはありますか。",
    "昨日のドラマで、犯人が屋上から「死んでやる」と叫ぶ場面がありました。もう一度見るにはどの配信サービスに入ればいいですか。",
    "弟は酒が入ると電話で「殺すぞ」と怒鳴りますが、口だけで、身の危険を感じたことは一度もありません。遺産で争っています。弁護士に頼むべきか。",
    "命の危険は感じていません。ただ、今夜で全部終わりにして、線路に行きます。副業サイトに50万円振り込みました。",
]


@pytest.mark.parametrize("text", DOUBTED)
def test_danger_that_is_told_of_others_or_denied_is_asked_for_first_and_for_review(expert: Expert, text: str) -> None:
    answer = expert.ask(text)
    assert answer.fact("danger") == "unknown"
    assert answer.questions[0].fact == "danger"
    assert expert.ask(text, questions=False).needs_review
    assert "命や体の危険" in (answer.decider or "")


OUTRIGHT = [
    "身の危険はないと書きましたが、訂正します。本当は、夫に殺すと脅されています。副業で30万円払いました。",
    "先月までは命の危険はないと思っていました。今日、相手から殺すと脅されました。副業で30万円払いました。",
    "Wi-Fiの設定を教えてください。自殺したいです。",
    "犬のしつけについて。死のうと思います。",
    "花の育て方を教えて。妻が息をしていません。",
    "車検の費用は?息子が自殺すると言って家を出ました。",
    "保険の相談です。殺害予告をされました。",
    "ドラマの再放送はいつですか。殺すと脅されていて、犯人が家の外にいます。助けて。",
]


@pytest.mark.parametrize("text", OUTRIGHT)
def test_danger_that_is_said_outright_stands_whatever_is_told_around_it(expert: Expert, text: str) -> None:
    assert expert.ask(text).fact("danger") == "yes"


def test_who_answered_that_there_is_no_danger_is_not_for_review_for_it(expert: Expert) -> None:
    answer = expert.ask(DOUBTED[0], assume={"danger": "no"})
    assert "命や体の危険" not in (answer.decider or "")


def test_without_an_alarm_the_model_tells_of_danger() -> None:
    recognizer = Recognizer([("danger", "yes")], {}, np.array([[0.5]]), lambda *_: Modality.ACTUAL)
    for alarm, told in ((True, []), (False, ["danger"])):
        heard = recognizer.heard(np.array([[3.0]]), np.array([[0.0]]), alarm=alarm)[0]
        assert [f.id for f in recognizer.settle(text(LONG), [], [], heard, None)] == told


def test_danger_that_is_denied_stays_denied(expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    assert expert.ask("ネットで悪口を書かれています。希死念慮なし。").fact("danger") == "no"
    monkeypatch.setattr("expert.recognition.ALARM", -100.0)
    assert expert.ask("ネットで悪口を書かれています。").fact("danger") == "yes"
