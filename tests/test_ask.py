"""What a person gets: from the sentence typed to the answer."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from expert import Expert, corpus, explanation, ranking
from expert.cli.ask import _ask_back
from expert.domain import Answer, Score
from expert.errors import EvaluationError, InputError
from expert.limits import MAX_CHARACTERS
from expert.parallel import beside
from expert.trigrams import trigrams

from .conftest import ROOT

SCHEMA = json.loads((ROOT / "expert" / "answer.schema.json").read_text(encoding="utf-8"))
SAMPLES = [
    "アダルトサイトで登録完了と出て、3万円振り込んでしまいました",
    "宅配便の不在通知のSMSを開いてカード番号を入れてしまった。まだ払っていません",
    "パソコンに警告が出て、電話したら遠隔操作されました。コンビニで電子マネーを5万円分買って番号を伝えました",
    "もう死にたい。全部だまし取られた",
    "今日の天気は",
]


def ids(answer: Answer, kind: str) -> list[str]:
    return [x.id for x in getattr(answer, kind)]


def test_the_first_example_of_the_readme(expert: Expert) -> None:
    answer = expert.ask(SAMPLES[0])
    assert answer.scenario == "paid_scammer"
    assert answer.fact("paid") == "yes"
    assert answer.attributes.amount_jpy == 30_000
    assert answer.attributes.payment_method == ("bank_transfer",)
    assert {"call_bank_freeze", "save_evidence", "do_not_pay_more"} <= set(ids(answer, "actions"))
    assert {"bank", "police_cyber"} <= set(ids(answer, "desks"))


def test_evidence_is_in_the_words_of_the_person(expert: Expert) -> None:
    for text in SAMPLES:
        for fact in expert.ask(text).facts:
            assert fact.evidence
            for evidence in fact.evidence:
                assert text[evidence.start : evidence.end] == evidence.text != ""


def test_a_number_is_not_cut_from_the_words_shown(expert: Expert) -> None:
    called = next(fact for fact in expert.ask("10分おきに着信があって怖いです。").facts if fact.id == "threatened")
    assert called.evidence[0].text.startswith("10分おき")
    paid = next(fact for fact in expert.ask("コンビニで5万円分のプリペイドカードを買い、番号を読み上げた。").facts if fact.id == "paid")
    assert "5万円分" in paid.evidence[0].text


def test_not_yet_paid_is_kept_apart_from_paid(expert: Expert) -> None:
    story = "動画サイトで登録完了になり9万8千円の請求が出ました。"
    assert expert.ask(story + "払ってしまいました。").fact("paid") == "yes"
    assert expert.ask(story + "まだ払っていません。").fact("paid") == "no"
    assert expert.ask(story + "払いそうになりました。").fact("paid") == "unknown"
    assert expert.ask(story + "払わないといけませんか。").fact("paid") == "unknown"


def test_danger_comes_before_everything(expert: Expert) -> None:
    answer = expert.ask(SAMPLES[3])
    assert ids(answer, "actions")[0] == "call_110"
    assert ids(answer, "desks")[0] == "police_110"


def test_the_prefecture_gives_its_own_police_desk(expert: Expert) -> None:
    answer = expert.ask("青森県に住んでいます。偽の請求に5万円振り込んでしまいました")
    desk = next(d for d in answer.desks if d.id == "police_cyber")
    assert answer.attributes.prefecture == "02"
    assert desk.phone == "017-735-9110"


@pytest.mark.parametrize("text", SAMPLES)
def test_answers_obey_the_published_schema(expert: Expert, text: str) -> None:
    jsonschema.validate(explanation.to_json(expert.ask(text)), SCHEMA)


@pytest.mark.parametrize("text", SAMPLES)
def test_questions_are_few_and_each_changes_something(expert: Expert, text: str) -> None:
    answer = expert.ask(text)
    assert len(answer.questions) <= 5
    for question in answer.questions:
        assert question.changes
        assert answer.fact(question.fact) == "unknown"


@pytest.mark.parametrize("text", ["銀行をかたるSMSのリンクを開きました", "10万円払った気がする。サイトの登録料"])
def test_a_question_changes_what_it_says(expert: Expert, text: str) -> None:
    def plan(assume: dict[str, str]) -> set[str]:
        answer = expert.ask(text, assume=assume, questions=False)
        return {*ids(answer, "actions"), *ids(answer, "desks")}

    questions = expert.ask(text).questions
    assert questions
    for question in questions:
        ways = [{"payment_method": m} for m in expert.knowledge.methods] if question.fact == "paid" else []
        plans = [plan({question.fact: "yes"} | way) for way in [{}, *ways]] + [plan({question.fact: "no"})]
        assert set(question.changes) <= set().union(*[plan({}) ^ other for other in plans])


def test_whether_money_is_gone_is_asked_since_its_way_would_matter(expert: Expert) -> None:
    first = expert.ask("10万円払った気がする。サイトの登録料").questions[0]
    assert first.fact == "paid"
    assert {"call_bank_freeze", "contact_prepaid_issuer"} <= set(first.changes)


def test_a_question_that_would_only_frighten_is_not_asked(expert: Expert) -> None:
    asked = {q.fact for q in expert.ask("銀行をかたるSMSのリンクを開いて、IDとパスワードを入れました").questions}
    assert not asked & {"danger", "court_document", "intimate_images"}
    assert "bank_codes_entered" in asked


def test_two_close_scenarios_give_the_urgent_advice_of_both(expert: Expert) -> None:

    from expert.domain import Score

    understood = expert.understand("パソコンの画面に変なものが出ました")
    scores = (Score("support_scam", 0.5), Score("ransomware", 0.4), Score("phishing", 0.1))
    both = expert.answer(understood._replace(scores=scores))
    alone = expert.answer(understood._replace(scores=(Score("support_scam", 0.9), Score("ransomware", 0.05))))
    assert set(ids(alone, "actions")) < set(ids(both, "actions"))
    assert "do_not_pay_ransom" in ids(both, "actions")
    assert "ignore_claim" not in ids(both, "actions")
    rules = {f.rule for f in both.decision.trace}
    assert all(set(a.rules) <= rules for a in both.actions)
    assert all(set(d.rules) <= rules for d in both.desks)


def test_assumptions_override_the_text(expert: Expert) -> None:
    text = "通販で注文した服が届きません"
    assert "call_bank_freeze" not in ids(expert.ask(text), "actions")
    assert "call_bank_freeze" in ids(expert.ask(text, assume={"paid": "yes", "payment_method": "bank_transfer"}), "actions")
    with pytest.raises(InputError, match="「payed」という事実はありません"):
        expert.ask(text, assume={"payed": "yes"})
    with pytest.raises(InputError, match=r"paid=yes\|no\|unknown の形で"):
        expert.ask(text, assume={"paid": "perhaps"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "文章が空です。何が起きたかを、ふだんの言葉で書いてください。"),
        (" \n\u3000", "文章が空です。何が起きたかを、ふだんの言葉で書いてください。"),
        ("あ" * (MAX_CHARACTERS + 1), "文章が長すぎます(10,001文字)。10,000文字までにして、起きたことを中心に書いてください。"),
    ],
)
def test_unusable_text_is_refused_in_plain_words(expert: Expert, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        expert.ask(text)
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["I was scammed and paid 300 dollars", "我被骗了,钱已经转给他们了", "https://example.com/pay", "🍣🍣🍣", "."])
def test_what_is_not_japanese_is_out_of_scope_and_says_so(expert: Expert, text: str) -> None:
    answer = expert.ask(text)
    assert (answer.scenario, answer.needs_review) == ("out_of_scope", True)
    assert answer.decider is not None
    assert "日本語" in answer.decider


@pytest.mark.parametrize(
    "text",
    [
        "払った\ud800です",
        "払\x00った\x1b[31m",
        "<script>alert(1)</script>お金を払った",
        "払っ" + "た" * 9_000,
        "「" * 5_000 + "払った",
        "払わな" * 3_000,
        "\u202e払った\u200b",
    ],
)
def test_odd_text_is_answered(expert: Expert, text: str) -> None:
    json.loads(explanation.dumps(explanation.to_json(expert.ask(text)))).keys()


def test_many_threads_get_the_answers_of_one(expert: Expert) -> None:
    fresh = Expert(expert.knowledge, expert.model)
    texts = [e.text for e in corpus.load(corpus.training_files()[:3], expert.knowledge.scenarios, expert.knowledge.facts)][:150]
    alone = [explanation.to_json(expert.ask(t)) for t in texts]
    got: dict[int, list[object]] = {}

    def work(n: int) -> None:
        got[n] = [explanation.to_json(fresh.ask(t)) for t in texts]

    _in_threads(work)
    assert all(got[n] == alone for n in range(4))


def _in_threads(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_what_is_remembered_equals_what_is_fresh(expert: Expert) -> None:
    for text in SAMPLES:
        case = expert.understand(text).case()
        remembered = expert.decide(case)
        assert Expert(expert.knowledge, expert.model).decide(case) == remembered


def test_the_batch_encoder_writes_what_to_json_says(expert: Expert) -> None:
    encoder = explanation.Encoder()
    for text in [*SAMPLES, *SAMPLES]:
        answer = expert.ask(text)
        assert encoder.encode(answer) == explanation.dumps(explanation.to_json(answer))


def test_the_model_applied_here_equals_scikit_learn(expert: Expert) -> None:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    from expert import counting, trainer, training

    texts = [e.text for e in corpus.load(corpus.training_files(), expert.knowledge.scenarios, expert.knowledge.facts)][::48]
    found = [expert.features(t) for t in texts]
    labels = [f"s{i % 5}" for i in range(len(texts))]
    first, rest = (trainer.countable(part, expert.tokenizer) for part in (texts[:99], texts[99:]))
    counts = counting.joined(counting.count(first), lambda: counting.count(rest))
    model = training.train(counts, labels, [{} for _ in texts], [], "key")
    vectorizer = TfidfVectorizer(analyzer=lambda f: f, sublinear_tf=True, min_df=training.SETTINGS.min_df)
    matrix = vectorizer.fit_transform(found)
    assert model.vocabulary.keys() == vectorizer.vocabulary_.keys()
    matrix = matrix[:, [vectorizer.vocabulary_[name] for name in model.vocabulary]]
    assert list(model.vocabulary.values()) == list(range(matrix.shape[1]))
    assert (np.diff(matrix.getnnz(axis=0)) <= 0).all(), "features of most texts first"
    weights, bias = training._fit(matrix, np.unique(labels, return_inverse=True)[1])
    expected = matrix @ weights + bias
    got = model.decisions(found)
    assert np.allclose(got, expected, atol=2e-3)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("孫を名乗る男から電話で、会社のお金をなくしたから今日中に300万円いると言われ、今から銀行に行くところです", {"do_not_pay"}),
        ("還付金の電話があり、ATMで言われたとおりに操作してしまいました", {"call_bank_freeze", "report_police", "bank"}),
        ("警告の番号に電話したら修理に5万円かかると言われ、コンビニでカードを買って番号を読み上げました", {"contact_prepaid_issuer"}),
        ("小3です。ロブロックスでお母さんのカードを使って5万円課金してしまいました", {"tell_trusted_adult", "minor_rescission", "consumer_188"}),
        ("おまわりさんが今から家に来てキャッシュカードを預かると電話で言ってました。あと10分で来ます", {"call_110", "do_not_hand_over_cash_card"}),
        ("さっきATMで還付金の手続きを言われるままにやったら残高が減っていました", {"call_bank_freeze"}),
        ("母がネットで知り合った人に騙されて老後の資金1500万円を渡してしまいました", {"contact_where_paid"}),
        ("楽天モバイルの契約が私の名前で勝手に5回線作られていて請求書が届いた", {"check_statements", "register_credit_bureau"}),
        ("格安の通販で注文したら振込先が個人名義でした。まだ振り込んでいません", {"do_not_pay"}),
        ("警察を名乗る人にネットバンキングのIDとパスワードを教えてしまいました", {"stop_online_banking"}),
        ("検事を名乗る人が明日の昼に現金を取りに来る、と父が言うとります", {"call_110", "police_110", "do_not_hand_over_cash_card"}),
        ("じいちゃんが銀行のATMの前で誰かと電話しよる。どげんしよう", {"call_110", "stop_them_there", "do_not_operate_atm_by_phone"}),
        ("銀行を名乗るSMSのページに、口座番号とキャッシュカードの暗証番号を入れました", {"stop_cash_card", "stop_online_banking"}),
        ("銀行の偽サイトに契約者番号と暗証番号を入れたら、今日も電話が何度もかかってきます", {"hang_up", "block_caller"}),
        ("裸の写真を送ってしまい、会わないと学校に回すって。明日の夜、駅まで来いと。中3です", {"do_not_meet_them", "note_without_image"}),
        ("LINEを乗っ取られて、姉がギフトカードを買って番号を送ってしまいました。カードは手元にあります", {"contact_prepaid_issuer"}),
        ("小2の息子が、わたしのスマホでガチャを何度も回して4万円になっていました", {"rescind_childs_charge", "consult_consumer_center"}),
        ("フリマで買った時計が動きません。先に評価してくれたら返金すると言われました。評価はまだしていません", {"do_not_rate_before_check"}),
        ("別れた彼氏がわたしの写真と名前をネットに載せていて、知らない人に職場の名前まで書き込まれました", {"report_police", "call_110_if_near"}),
        ("別れた彼氏から、見られたくない画像を広めると言われ、もう1枚掲示板に載せられました", {"report_police", "call_110_if_near", "dv_8008"}),
        (
            "むすめから でんわで、けいたいの ばんごうが かわったと いわれました。あした おかねの はなしを すると いうんです",
            {"call_relative_known_number"},
        ),
        ("市役所から還付金があると電話で、明日は駅前のATMで待ち合わせましょうと言われました", {"do_not_go_where_told", "call_110_about_meeting"}),
        ("高校の教員をしております。生徒がクラスのLINEから外され、写真に悪口を書かれて回されています", {"act_as_school", "tell_trusted_adult"}),
        (
            "中1の娘がクラスでいじめられ、掲示板にも悪口を書かれています。先生には相談しました。ご飯を食べません",
            {"watch_over_them", "go_beyond_school"},
        ),
        ("荷物を運ぶバイトを断ったら、免許証があるから実家に行くぞと脅されています", {"leave_crime_job", "call_110_if_near"}),
        ("解約したいのに、ソフト会社の問い合わせ先が英語だけです。警告に勧められてカードで買いました", {"consult_ccj"}),
        ("銀行のSMSのページでカードの番号を打ちかけて、送信せずに閉じました。止めるべきですか", {"ask_card_half_typed", "card_company"}),
        ("応募で免許証の写真を送りました。今日、申し込んだ覚えのない消費者金融からカードが届き、20万円が借りられていました", {"tell_lender_not_me"}),
        ("欠品の返金だと言われ、スマートフォン決済の画面で言われた数字を入れたら、5万円を送っていました", {"contact_payment_app", "payment_app"}),
        ("パソコンを遠隔操作され、1円を振り込むと言われました。払っていないのに、残高を見たら80万円減っていました", {"call_own_bank_money_gone"}),
        ("警告に電話して払った母に、前回の返金をしたいとまた電話が来て、口座番号を教えました", {"refuse_refund_call", "tell_bank_account_known"}),
        ("健康茶のお試しが定期便でした。電話すると、違約金2万円を払えば解約できると言われました", {"cancel_in_writing_unpaid"}),
        ("刑事だという人に誰にも言うなと言われ、明日、保証金の200万円を振り込むことになっています", {"stop_before_sending"}),
        ("荷物を受け取る仕事に応募し、シグナルを入れました。断ると「実家わかってるからな」と来ました", {"keep_messenger", "call_110_if_near"}),
        ("裸の写真を送ってしまい、あと30分で3万円払わないと友達に送ると言われています", {"stop_answering_threat", "report_police"}),
        ("詐欺のお金を取り返すという法律事務所に着手金30万円を払いましたが、事務の人としか話せません", {"end_retainer", "houterasu"}),
        ("中2です。クラスのLINEで悪口を言われ、担任に相談したら、もっとひどくなりました", {"ask_outside_school", "kodomo_sos"}),
        ("小4です。ゲームの友だちに、お母さんのペイペイの番号を教えました。まだ言っていません", {"tell_owner_of_app"}),
        ("口コミにうそを書かれ、腹が立って、返信でその客の名前を書いてしまいました", {"do_not_post_back", "consult_lawyer"}),
        ("小5です。歌をTikTokに上げたら、知らない人が「上手だね」とコメントしてくれました", {"post_safely_together"}),
    ],
)
def test_what_a_newcomer_missed_is_there(expert: Expert, text: str, needed: set[str]) -> None:
    answer = expert.ask(text, questions=False)
    assert needed <= {a.id for a in answer.actions} | {d.id for d in answer.desks}


@pytest.mark.parametrize(
    ("text", "unwanted"),
    [
        ("友達が「死にたい」って歌の動画を送ってきた。いい曲だった", {"call_110"}),
        ("「いいねを押すだけで日給3万円」という副業の誘いがLINEに来た。怪しい?", {"leave_crime_job"}),
        ("楽天モバイルの契約が私の名前で勝手に5回線作られていて請求書が届いた", {"ignore_claim"}),
        ("銀行員を名乗る電話で、スマホに届いた6桁の確認番号だけ読んでしまいました。ネットバンキングの番号です", {"stop_cash_card"}),
        ("詐欺の電話で母が渡した現金120万円は、弁護士を通して全額戻ってきました。また電話が来ないようにしたいです", {"call_110"}),
        ("いまパソコンの警告の電話の人がつながっています。AnyDeskというのを入れてくださいと言われて待ってもらってます", {"uninstall_app"}),
        ("アダルトサイトで15万円の請求が出て、退会を押したらメールソフトが開きました。送信はしていません", {"disconnect_network", "uninstall_app"}),
        ("弁護士法人と書かれた封筒で、昔の電話料金を払えと来ました。本物でしょうか", {"do_not_ignore_court"}),
        ("しょうがく6ねんです。クラスの グループで みんなから「しねばいいのに」って きました。せんせいには いえません", {"call_110"}),
        ("掲示板に夫の顔写真と会社の名前を書かれました。管理人に消してほしいとメールしましたが、返事がありません", {"do_not_contact_them"}),
        (
            "弁護士から内容証明で、口コミの慰謝料80万円を払えと届きました。弁護士会で調べたら実在する先生でした",
            {"check_claim_basis", "verify_via_official"},
        ),
        ("むすこから でんわで、けいたいの ばんごうが かわったと いわれました。あした おかねの はなしを すると いうんです", {"verify_via_official"}),
        (
            "高校の教員をしております。生徒がクラスのLINEから外され、写真に悪口を書かれて回されています",
            {"get_mental_support", "tell_school", "tell_family"},
        ),
        ("個人の売買で、アプリを通さずに直接取引し、先に1万円を振り込みました。品物が届きません", {"do_not_rate_before_check"}),
        ("通販の靴のサイズを間違えて注文してしまいました。店は送料を払えば交換すると言っています", {"report_police"}),
        ("銀行のSMSのページでカードの番号を打ちかけて、送信ボタンは押さずに閉じました。止めるべきですか", {"close_and_delete"}),
        ("カードの明細に知らない会社の900円。不正利用だと思ったら、確かに申し込んだのは私でした。去年の映画の配信です", {"claim_compensation"}),
        ("口座番号を間違えて別の人に振り込んでしまいました。銀行に組戻しを頼みましたが、返事がないそうです", {"call_bank_freeze"}),
        ("応募で免許証の写真を送りました。今日、申し込んだ覚えのない消費者金融からカードが届き、20万円が借りられていました", {"leave_crime_job"}),
        ("中1の娘がクラスのLINEで仲間外れにされています。夫は「相手の家に乗り込む」と言って聞きません", {"call_110_if_near", "talk_without_parents"}),
        ("小5です。歌をTikTokに上げたら、知らない人が「上手だね」とコメントしてくれました", {"report_police", "ask_disclosure_early"}),
        ("プリンターで印刷すると紙の端が切れます。ウイルスでしょうか", {"consult_consumer_center"}),
    ],
)
def test_what_a_newcomer_was_told_for_nothing_is_gone(expert: Expert, text: str, unwanted: set[str]) -> None:
    assert unwanted.isdisjoint(ids(expert.ask(text), "actions"))


def test_trigrams_are_found_by_their_number_whatever_collides() -> None:
    import numpy as np

    from expert.trigrams import Table

    for size in (0, 1, 2, 1000):
        keys = np.arange(size) * 2**20  # evenly spaced: they crowd in the table
        table = Table(keys, np.arange(size) + 7)
        asked = np.concatenate([keys, keys + 1, [5, 2**40]]).astype(np.int64)
        expected = [*range(7, size + 7), *[-1] * size, -1, -1]
        assert table.look_up(asked).tolist() == expected


def test_work_beside_is_done_here_where_it_fails_there(capfd: pytest.CaptureFixture[str]) -> None:
    import os

    here = os.getpid()

    def fails_there() -> int:
        if os.getpid() != here:
            raise ValueError("there")
        return 1

    def fails() -> int:
        raise EvaluationError("ここで")

    assert beside(lambda: 2)() == 2
    assert beside(fails_there)() == 1
    with pytest.raises(EvaluationError, match="ここで"):
        beside(fails)()
    assert capfd.readouterr().err == ""


def test_a_scenario_of_one_writer_can_be_learnt() -> None:
    from expert import counting, training

    rows = [(f"w{w}", f"s{s}", [f"word{s}", f"word{w}", f"x{n}"]) for w in range(6) for s in range(3) for n in range(6)]
    rows += [("alone", "new", ["新しい", f"x{n}"]) for n in range(60)]
    model = training.train(counting.count((f, "") for *_, f in rows), [s for _, s, _ in rows], [{} for _ in rows], [w for w, *_ in rows], "key")
    assert model.score([["新しい"]])[0][0].scenario == "new"


@pytest.mark.parametrize("sizes", [(61, 60, 60, 2), (61, 1, 60, 60), (60, 60, 60, 1), (300, 301, 300, 2, 2)])
def test_a_scenario_just_begun_does_not_stop_training(sizes: tuple[int, ...]) -> None:
    from expert import counting, training

    rows = [(f"s{s}", [f"word{s}", f"x{n % 7}"]) for s, size in enumerate(sizes) for n in range(size)]
    model = training.train(counting.count((f, "") for _, f in rows), [s for s, _ in rows], [{} for _ in rows], ["one"] * len(rows), "key")
    assert len(model.scenarios) == len(sizes)


def test_too_few_scenarios_are_told() -> None:
    from expert import counting, training

    with pytest.raises(EvaluationError, match="場面の違う例が3件以上"):
        training.train(counting.count([(["a"], ""), (["b"], "")]), ["s1", "s2"], [{}, {}], ["w", "w"], "key")


def test_without_examples_the_user_is_told(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(EvaluationError, match="学習する例がありません"):
        Expert.load(corpus_directory=tmp_path)


def test_many_texts_are_scored_as_one_by_one_and_as_by_their_features(expert: Expert) -> None:
    import numpy as np

    texts = [e.text for e in corpus.load(corpus.training_files(), expert.knowledge.scenarios, expert.knowledge.facts)][::48]
    texts += [
        "",
        "あ",
        "払",
        "払う",
        "払った",
        "😱😱",
        "👨‍👩‍👧に言えない",
        "１２３円と123円と999円",
        "\ud800払った\udfff",
        "…",
        "tri:abc",
        "払った払った払った",
    ]
    tokens = [expert.tokenizer.tokenize(t) for t in texts]
    together = expert.scorer.read(tokens).values
    assert (np.concatenate([expert.scorer.read([of_one]).values for of_one in tokens]) == together).all()
    assert np.allclose(expert.model.decide(map(expert.model._vector, [expert.features(t) for t in texts])), together, atol=1e-5)


def test_a_trigram_does_not_tell_digits_apart() -> None:
    assert trigrams("3万円") == trigrams("5万円") == ["tri:0万円"]
    assert trigrams("ab") == []


def test_what_is_for_review_goes_by_the_lead_over_the_second(expert: Expert) -> None:
    from expert.domain import OUT_OF_SCOPE_COSTS, Score

    understood = expert.understand("未納料金があると知らない番号からSMSが来ました")
    below = expert.model.review_below
    for lead, expected in ((below - 0.02, True), (below + 0.02, False)):
        first = 0.4 + lead / 2
        scores = (Score("unjust_billing", first), Score("phishing", first - lead), *understood.scores[2:])
        answer = expert.answer(understood._replace(scores=scores), questions=False)
        assert answer.lead == pytest.approx(lead)
        assert answer.needs_review is expected
        not_ours = (scores[0]._replace(scenario="out_of_scope"), *scores[1:])
        answer = expert.answer(understood._replace(scores=not_ours), questions=False)
        assert answer.lead == pytest.approx(lead - OUT_OF_SCOPE_COSTS)  # wrong, it leaves somebody without help
        assert answer.needs_review


def test_in_doubt_whether_it_is_ours_the_advice_of_the_other_scenario_is_given(expert: Expert) -> None:
    understood = expert.understand("カードの明細に知らない名前の3900円があります")
    doubtful = understood._replace(scores=(Score("out_of_scope", 0.7), Score("unauthorized_transaction", 0.25), Score("phishing", 0.05)))
    sure = understood._replace(scores=(Score("out_of_scope", 0.9), Score("unauthorized_transaction", 0.07), Score("phishing", 0.03)))
    answer, plain = expert.answer(doubtful), expert.answer(sure)
    assert answer.scenario == "out_of_scope"
    assert "check_statements" in ids(answer, "actions")
    assert not {"stop_card", "call_110", "factory_reset"} & set(ids(answer, "actions"))
    assert answer.needs_review
    assert not plain.needs_review
    assert "check_statements" not in ids(plain, "actions")


def test_a_sure_scenario_is_revised_only_by_what_the_user_adds(expert: Expert) -> None:
    text = "アダルトサイトを見ていたら突然登録完了と出て、身に覚えのない料金を請求されました。払わないといけませんか。"
    assert expert.ask(text).scenario == "unjust_billing"
    assert expert.understand(text).case().settled
    assert expert.ask(text, assume={"paid": "yes"}).scenario == "paid_scammer"


DONE = [
    ("偽サイトでカード番号を入れました。カードはもう止めました。警察にも届けました。他にすることはありますか。", {"stop_card", "report_police"}),
    ("宅配のSMSからパスワードを入れてしまい、すぐパスワードを変えました。", {"change_password"}),
    ("警察を名乗る電話があり、怖くなって電話を切りました。", {"hang_up"}),
    ("銀行の偽サイトに契約者番号と暗証番号を入れました。銀行には連絡しました。", {"stop_online_banking"}),
    ("偽サイトでカード番号を入れました。カードはまだ止めていません。", set()),
    ("銀行の偽サイトに契約者番号と暗証番号を入れました。口座は止めてもらいました。", {"stop_online_banking"}),
    ("警察を名乗る電話で口座を作らされました。母は銀行に行きましたが、窓口の方がおかしいと止めてくれました。", set()),
    ("クレジットカードを不正利用されましたが、もうカード会社が返金してくれました。警察にも届けました。", {"stop_card", "report_police"}),
    ("偽サイトでカード番号を入れました。カードを止めたほうがいいですか。", set()),
    ("偽サイトでカード番号を入れました。「カードを止めました」というSMSも来ました。", set()),
]


@pytest.mark.parametrize(("text", "done"), DONE)
def test_what_is_said_to_be_done_is_advised_and_says_so(expert: Expert, text: str, done: set[str]) -> None:
    answer = expert.ask(text)
    watched = {"stop_card", "report_police", "change_password", "hang_up", "stop_online_banking"}
    assert {a.id for a in answer.actions if a.done} & watched == done
    assert all(("お話では、もうなさったとのことです" in a.because) == a.done for a in answer.actions)


def test_what_is_done_stands_behind_what_is_not(expert: Expert) -> None:
    answer = expert.ask("偽サイトでカード番号を入れました。カードはもう止めました。他にすることはありますか。")
    by_urgency = [[a.done for a in answer.actions if a.urgency == urgency] for urgency in ("now", "today", "soon")]
    assert any(map(any, by_urgency))
    assert all(done == sorted(done) for done in by_urgency)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("宅配のSMSからアプリを入れてしまい、海外へのSMSが大量に送られていて通信料が3万円です", {"disconnect_network", "contact_carrier"}),
        ("警告の番号に電話して、コンビニで3万円分のカードを買い、番号を読み上げました", {"contact_prepaid_issuer"}),
        (
            "警告の番号に電話したら遠隔操作され、カードを3万円分買って番号を読みました。電話はまだつながっていて、マウスが動いています",
            {"hang_up_and_cut", "contact_prepaid_issuer"},
        ),
        (
            "コンビニのATMの前で、市の人と電話がまだつながっています。還付金が戻ると言われました。どのボタンを押せばいいですか",
            {"leave_the_atm", "hang_up"},
        ),
        ("仕入先の名前で振込先が変わったとFAXが来て、経理に60万円を送金させてしまいました。仕入先は出していないと言います", {"call_bank_freeze"}),
        ("請求書の口座が変わったと取引先の名前でメールが来て、180万円を振り込みました。アドレスがにせものでした", {"call_bank_freeze"}),
        ("友達から投票してとLINEが来て番号を教えたら、入れなくなりました。皆にお金を貸してと送られています", {"recover_account", "warn_contacts"}),
    ],
)
def test_what_is_most_urgent_comes_first(expert: Expert, text: str, first: set[str]) -> None:
    at_once = [a.id for a in expert.ask(text, questions=False).actions if a.urgency == "now"]
    assert set(at_once[: len(first)]) == first


def test_who_is_told_to_ring_110_is_told_why(expert: Expert) -> None:
    came, dying = expert.ask("銀行協会の人にキャッシュカードを渡してしまいました"), expert.ask("投資詐欺で借金だけが残り、もう死にたいです")
    assert came.actions[0].id == dying.actions[0].id == "call_110"
    assert came.actions[0].because.startswith("カードが相手の手にある")
    assert "鍵" not in dying.actions[0].because
    assert [d.id for d in dying.desks[:3]] == ["police_110", "emergency_119", "inochi_sos"]


def test_after_all_money_came_back_the_next_call_comes_first(expert: Expert) -> None:
    answer = expert.ask("詐欺の電話で母が渡した現金120万円は、弁護士を通して全額戻ってきました。また電話が来ないようにしたいです")
    urgency = {a.id: a.urgency for a in answer.actions}
    assert (urgency["block_international_calls"], urgency["hang_up"]) == ("now", "soon")


@pytest.mark.parametrize(
    "text", ["友達の結婚祝いにギフトカードを贈るなら、いくらがいいですか", "新しいノートパソコンを買うなら、どのメーカーがいいですか"]
)
def test_who_is_surely_not_in_trouble_is_told_so_and_asked_nothing(expert: Expert, text: str) -> None:
    answer = expert.ask(text)
    assert answer.scenario == "out_of_scope"
    assert not answer.questions
    assert any("困りごとではないようです" in line for _, line in explanation.page(answer, expert.knowledge))


def test_danger_is_asked_first_and_ends_the_questions(expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "元彼にSNSで居場所を書かれ、毎日メッセージが来ます。怖いです。"
    answer = expert.ask(text)
    assert answer.questions[0].fact == "danger"
    replies = iter(["はい"])  # a second question would find no reply
    monkeypatch.setattr("builtins.input", lambda _: next(replies))
    answer = _ask_back(expert, text, {}, answer)
    assert answer.actions[0].id == "call_110"


TRADED = [
    ("phishing", {"phishing": 0.6, "unjust_billing": 0.3, "out_of_scope": 0.1}),
    ("unjust_billing", {"unjust_billing": 0.6, "phishing": 0.3, "out_of_scope": 0.1}),
    ("ransomware", {"ransomware": 0.6, "unjust_billing": 0.3, "out_of_scope": 0.1, "phishing": 0.0}),
]


@pytest.mark.parametrize(("revised", "scores"), TRADED)
def test_a_revised_scenario_trades_its_score_with_the_first(revised: str, scores: dict[str, float]) -> None:
    given = (Score("phishing", 0.6), Score("unjust_billing", 0.3), Score("out_of_scope", 0.1))
    assert [(s.scenario, s.value) for s in ranking.revised(given, revised)] == list(scores.items())


CLOSENESS = [
    ("phishing", 0.85, "unjust_billing", 0.11, True),
    ("phishing", 0.89, "unjust_billing", 0.09, False),
    ("out_of_scope", 0.75, "unjust_billing", 0.21, True),
    ("out_of_scope", 0.8, "unjust_billing", 0.19, False),
    ("unjust_billing", 0.5, "out_of_scope", 0.45, False),
]


@pytest.mark.parametrize(("first", "score", "second", "other", "close"), CLOSENESS)
def test_when_the_advice_of_two_scenarios_is_given(first: str, score: float, second: str, other: float, close: bool) -> None:
    assert ranking.two_are_close((Score(first, score), Score(second, other))) == close


@pytest.mark.parametrize(
    ("ours", "theirs", "first"), [(0.40, 0.42, "phishing"), (0.30, 0.42, "out_of_scope"), (0.42, 0.40, "phishing"), (0.42, 0.30, "phishing")]
)
def test_nobody_is_sent_away_where_both_are_as_good_as_equally_likely(ours: float, theirs: float, first: str) -> None:
    scores = sorted([Score("phishing", ours), Score("out_of_scope", theirs), Score("sextortion", 0.1)], key=lambda score: -score.value)
    chosen = ranking.chosen(tuple(scores))
    assert chosen[0].scenario == first
    assert [score.value for score in chosen] == [score.value for score in scores]


def test_weak_sources_are_said_to_be_weak(expert: Expert) -> None:
    answer = expert.ask("投資の暗号資産の取引所に30万円を送金しました。出金できません。")
    weak = [a for a in answer.actions if a.confidence == "low"]
    page = "\n".join(text for _, text in explanation.page(answer, expert.knowledge))
    assert weak
    assert all(a.because + explanation.UNSURE["low"] in page for a in weak)
    assert page.count(explanation.UNSURE["low"]) == len(weak) + sum(d.confidence == "low" for d in answer.desks)


def test_a_page_says_nothing_twice(expert: Expert) -> None:
    answer = expert.ask("サポート詐欺で電話して遠隔操作され、コンビニで電子マネーを買って番号を伝えました。まだ払えと言われています。")
    page, explained = ("\n".join(text for _, text in explanation.page(answer, expert.knowledge, explain=e)) for e in (False, True))
    shorter, longer = (expert.knowledge.actions[a].text for a in ("do_not_pay", "do_not_pay_more"))
    assert {"do_not_pay", "do_not_pay_more"} <= {a.id for a in answer.actions}
    assert (shorter in page, longer in page) == (False, True)
    assert (shorter in explained, longer in explained) == (True, True)


ASKED = [
    ("answer_do_not_pay", "アダルトサイトで「登録完了 98,000円」と出ました。申し込んだ覚えはありません。払わないといけませんか。"),
    ("answer_ignore_bill", "見覚えのない動画サイトの未納料金のSMSが来ました。無視していいですか。"),
    ("answer_do_not_ignore_court", "裁判所から特別送達で支払督促が届きました。身に覚えがないのですが、無視して大丈夫ですか。"),
    ("answer_ask_lawyer_before_paying", "裁判所から特別送達で支払督促が届きました。書いてある額を払うべきですか。"),
    ("answer_do_not_leave_it", "友人から借りた10万円を返していません。催促の手紙が来ました。無視していいですか。"),
    ("answer_do_not_pay", "マッチングアプリの人に勧められて投資アプリに50万円振り込みました。税金を払えば本当に出金できるのでしょうか。"),
    ("answer_do_not_pay_ransom", "会社のファイルが全部暗号化されて、ビットコインを要求されています。払えば戻りますか。"),
    ("answer_do_not_power_off", "会社のサーバーのファイルが暗号化されて開けません。電源は切ったほうがいいですか。"),
    ("answer_bank_first", "偽の未納料金の請求に5万円を銀行で振り込んでしまいました。警察と銀行とどちらが先ですか。"),
    ("answer_card_first", "宅配の偽SMSからカード番号を入れてしまいました。カード会社と警察、どちらが先ですか。"),
    ("answer_do_not_wait", "銀行の偽サイトに口座番号と暗証番号とワンタイムパスワードを入れました。今日は日曜です。月曜まで待って大丈夫でしょうか。"),
    ("answer_back_transfer", "にせの請求に8万円を銀行振込で払ってしまいました。お金は戻りますか。"),
    ("answer_back_prepaid", "パソコンの警告に電話して、コンビニで買った電子マネー5万円分の番号を教えました。5万円は戻りますか。"),
    ("answer_go_to_police", "裸の動画をばらまくと脅されて2万円払いました。警察に行ったほうがいいですか。"),
    ("answer_police_do_not_arrest_by_phone", "警察を名乗る人からビデオ通話で逮捕状を見せられました。電話を切ったら逮捕されますか。"),
    ("answer_police_before_it_happens", "荷物を受け取るだけのバイトに応募して免許証を送りました。まだ何もしていません。警察に行ったら捕まりますか。"),
    ("answer_turn_in", "高収入のバイトで荷物を受け取って別の人に渡しました。捕まりますか。"),
    ("answer_like_fraud", "投資のLINEグループの先生に毎日銘柄を教わり、明日までに50万円入れてと言われています。これは詐欺ですか。"),
    ("answer_check_message", "銀行の名前で口座を確認してというメールが来ました。これは詐欺ですか。"),
    ("answer_tell_parents", "中1です。ゲームの友だちにアカウントを乗っ取られて入れません。親に言わないとだめですか。"),
    pytest.param(
        "answer_tell_parents",
        "中1です。ゲームの友だちにアカウントを取られました。親に言わないとだめですか。",
        marks=pytest.mark.xfail(reason="the scenario is right but not sure enough for an answer", strict=True),
    ),
    ("answer_record_before_delete", "アダルトサイトの登録料9万8千円を払えというSMSが来ました。申し込んでいません。消していいですか。"),
    ("answer_stop_card", "偽の不在通知のページにカード番号を入れました。カードは止めたほうがいいですか。"),
    ("answer_hang_up", "パソコンに警告が出て、電話したらカードを買えと言われています。まだ電話がつながっています。切っていいですか。"),
    ("answer_refusing_is_no_cancel", "お試し500円のサプリが定期購入で、2回目が届きます。受け取り拒否をすれば解約になりますか。"),
    ("answer_block_after_police", "裸の写真を送ってしまい、ばらまくと脅されています。ブロックしたほうがいいですか。"),
    ("answer_do_not_reply", "市役所から還付金があるとかかってきました。折り返したほうがいいですか。"),
    ("answer_use_another_device", "警告の画面の番号に電話して遠隔操作されました。このパソコンを使って大丈夫ですか。"),
    ("answer_do_not_go", "市役所の人から還付金の電話があり、明日ATMの前で待ち合わせと言われました。行かなくていいですか。"),
    ("", "アダルトサイトで「登録完了 98,000円」と出ました。相手に払うべきだと言われました。"),
    ("", "見覚えのない動画サイトの未納料金のSMSが来ました。ずっと無視しています。"),
    ("", "庭の木を切ってもらいました。代金は払うべきですか。"),
    ("", "フリマで売ったゲーム機を返品されました。お金は戻りますか。"),
    ("", "警察を名乗る人からビデオ通話がありました。犯人は逮捕されますか。"),
    ("", "銀行の名前のメールが来ました。友人は「詐欺でしょう?」と言います。"),
    ("", "裸の写真を送ってしまい、ばらまくと脅されています。警察に話すのはこわいです。やっぱり行くべきですか。"),
    ("", "パソコンに警告が出て、カードを買えと言われました。店の人に止められました。電源は入ったままです。切っていい?"),
    ("answer_nothing_to_do", "宅配の不在通知のSMSが来ました。押していません。放っておいていいですか。"),
    ("answer_do_not_wait_securities", "証券会社の偽サイトにIDとパスワードと取引暗証番号を入れました。月曜まで待つしかないですか。"),
]


@pytest.mark.parametrize(("wanted", "text"), ASKED)
def test_a_question_put_outright_has_an_answer_of_its_own(expert: Expert, wanted: str, text: str) -> None:
    answer = expert.ask(text)
    given = [a.id for a in answer.actions if expert.knowledge.actions[a.id].answers]
    page = "\n".join(line for _, line in explanation.page(answer, expert.knowledge))
    assert (wanted in given) if wanted else not given
    assert ("■ お尋ねのこと" in page) == bool(given)
    assert not wanted or page.index(expert.knowledge.actions[wanted].text) < page.index("■ いますぐすること")


def test_no_question_is_answered_where_the_trouble_is_not_sure(expert: Expert) -> None:
    understood = expert.understand("アダルトサイトで「登録完了 98,000円」と出ました。申し込んだ覚えはありません。払わないといけませんか。")
    sure, unsure = (understood._replace(scores=(Score("unjust_billing", s), Score("phishing", 0.05), *understood.scores[2:])) for s in (0.8, 0.6))
    given = [any(a.id.startswith("answer_") for a in expert.answer(case).actions) for case in (sure, unsure)]
    assert given == [True, False]


@pytest.mark.slow
def test_a_hundred_thousand_cases_do_not_grow_memory(expert: Expert) -> None:
    import resource

    fresh = Expert(expert.knowledge, expert.model)
    texts = [e.text for e in corpus.load(corpus.training_files(), expert.knowledge.scenarios, expert.knowledge.facts)]

    def run(n: int) -> int:
        for i in range(n):
            fresh.ask(texts[i % len(texts)], questions=False)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    settled = run(20_000)
    assert run(80_000) - settled < 20_000  # kilobytes
