"""Sums, ways of payment, place, device and time: one sentence a line."""

import pytest

from expert import knowledge
from expert.assertion import AssertionAnalyzer
from expert.attributes import AttributeReader
from expert.domain import Attributes
from expert.matcher import Matcher
from expert.tokenizer import Tokenizer

from .conftest import ROOT

KNOWLEDGE = knowledge.load()
SECTIONS = (KNOWLEDGE.signs, KNOWLEDGE.methods, KNOWLEDGE.devices, KNOWLEDGE.elapsed, KNOWLEDGE.prefectures)
MATCHER = Matcher([*(c for f in KNOWLEDGE.facts.values() for c in f.concepts), *(c for s in SECTIONS for c in s.values())])
TOKENIZER = Tokenizer()
ANALYZER = AssertionAnalyzer(KNOWLEDGE.facts, KNOWLEDGE.cues, KNOWLEDGE.deeds)
READER = AttributeReader(KNOWLEDGE, ANALYZER.holds)
SIGNS = [line for name in ("deeds", "signs") for line in (ROOT / "tests" / "language" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]]


def read(sentence: str) -> Attributes:
    text = TOKENIZER.tokenize(sentence)
    mentions = MATCHER.match([text])[0]
    return READER.read(text, mentions, ANALYZER.determine(mentions, text))[0]


@pytest.mark.parametrize(
    ("sign", "value", "sentence"),
    [pytest.param(*line.lstrip("!").split("\t"), marks=[pytest.mark.xfail(strict=True)] if line.startswith("!") else []) for line in SIGNS],
)
def test_signs(sign: str, value: str, sentence: str) -> None:
    text = TOKENIZER.tokenize(sentence)
    mentions = MATCHER.match([text])[0]
    assert (sign in READER.read(text, mentions, ())[1]) == (value in ("done", "yes"))


@pytest.mark.parametrize(
    ("sentence", "yen"),
    [
        ("3万円払った", 30_000),
        ("三万円払った", 30_000),
        ("30,000円払った", 30_000),
        ("3万5千円払った", 35_000),
        ("１．５万円払った", 15_000),
        ("9万8千円の請求が来た", 98_000),
        ("百万円を振り込んだ", 1_000_000),
        ("12万振り込んでもうた", 120_000),
        ("9万円請求されて、2万円だけ振り込みました", 20_000),
        ("母が四十万取られた", 400_000),
        ("三万五千で買った", 35_000),
        ("1億2000万円の損", 120_000_000),
        ("二〇〇〇円だった", 2_000),
        ("2千5百円でした", 2_500),
        ("十円玉しかない", 10),
        ("9万円請求されて、 2万円だけ振り込みました", 20_000),
        ("9" * 400 + "円払った", None),
        ("一" * 9_990 + "円", None),
        ("数万円です", None),
        ("三四万かかった", None),
        ("八千代さんに言われた", None),
        ("〇〇円と書いてある", None),
        ("10,00円と出た", None),
        ("3人に言われた", None),
        ("1万人が被害にあった", None),
        ("60万で契約した。紹介すると10万円入ると言われて払った", 600_000),
        ("最初は2000円もらえて、あとで5万円を振り込んだ", 50_000),
    ],
)
def test_amount(sentence: str, yen: int | None) -> None:
    assert read(sentence).amount_jpy == yen


@pytest.mark.parametrize(
    ("sentence", "method"),
    [
        ("口座に振り込んだ", "bank_transfer"),
        ("ATMで送金しました", "bank_transfer"),
        ("クレジットカードで払った", "credit_card"),
        ("コンビニでAppleのギフトカードを買って番号を伝えた", "prepaid"),
        ("コンビニ払いで支払った", "convenience_store"),
        ("PayPayで送った", "qr_payment"),
        ("ビットコインで払った", "crypto"),
        ("現金を手渡した", "cash"),
        ("キャリア決済で払った", "carrier_billing"),
        ("カードから毎月2980円引かれていました", "credit_card"),
        ("コンビニで買ったカードの裏を削って番号を送った", "prepaid"),
        ("カードを3枚買って、裏の番号を読みました", "prepaid"),
        ("店でカードを買って番号を送りました", "prepaid"),
        ("先週フリコミマシタ", "bank_transfer"),
        ("びっとかっしゅを買って、番号を教えたそうです", "prepaid"),
        ("PayPayに入れたお金を相手に送りました", "qr_payment"),
        ("玄関でお金を渡しました", "cash"),
        ("200万円を宅配便で送ってしまいました", "cash"),
        ("お金をレターパックで送りました", "cash"),
        ("うちに来た人に渡してしまった", "cash"),
        ("100万円をおろして渡しました", "cash"),
        ("手元の80万円を、代理だという男に駅前で渡してしまいました", "cash"),
        ("PayPayで返金すると言われ、操作したら9万円を送金していた", "qr_payment"),
        ("返金手続きだとスマートフォン決済の画面を操作させられ、9万円を送っていた", "qr_payment"),
        ("決済アプリで5万円を送った", "qr_payment"),
    ],
)
def test_payment_method(sentence: str, method: str) -> None:
    assert method in read(sentence).payment_method


@pytest.mark.parametrize(
    ("sentence", "method"),
    [
        ("クレカは怖かったので銀行振込で払った", "credit_card"),
        ("クレジットカードの番号は入れていません", "credit_card"),
        ("クレカは打ってないです", "credit_card"),
        ("暗号資産の自動売買ツールを現金で買った", "crypto"),
        ("仮想通貨の講座の代金を振り込んだ", "crypto"),
        ("スマホ決済で返金しますと言われた", "qr_payment"),
        ("コード決済で返金すると連絡が来た", "qr_payment"),
        ("決済アプリで返金しますと言われた", "qr_payment"),
        ("利益は自分の口座へ出金できた", "bank_transfer"),
        ("PayPay銀行の口座に振り込んだ", "qr_payment"),
        ("電子マネーで返金すると言われた", "prepaid"),
        ("ギフト券が当たると言われた", "prepaid"),
        ("トレーディングカードを3枚買ったのに届かない", "prepaid"),
        ("記念のカードを買って友達に渡しました", "prepaid"),
        ("最初の報酬は本当にPayPayに入った", "qr_payment"),
        ("500円がペイペイで受け取れました", "qr_payment"),
        ("3万円をカードにして男に渡した", "cash"),
        ("50万円を社員の人に渡してと言われた", "cash"),
        ("50万円を宅配便で送るように言われました", "cash"),
        ("3万円の靴を宅配便で送りました", "cash"),
    ],
)
def test_a_product_or_a_refund_is_no_way_of_payment(sentence: str, method: str) -> None:
    assert method not in read(sentence).payment_method


@pytest.mark.parametrize(
    ("sentence", "prefecture"),
    [
        ("青森県に住んでいます", "02"),
        ("都内在住です", "13"),
        ("東京都港区の会社員です", "13"),
        ("京都府に住む母が", "26"),
        ("名古屋市の70代です", "23"),
        ("さいたま市で一人暮らしです", "11"),
        ("大阪府警を名乗る電話がありました", None),
        ("東京地裁から書類が来た", None),
        ("埼玉で引き出されていた", None),
        ("千葉に住んでいます。東京の弁護士事務所から手紙が来ました", "12"),
        ("東京の法律事務所から封書が届いた", None),
        ("差出人が東京都千代田区とある手紙です", None),
        ("東京都中央区の債権回収会社です", None),
        ("送り主は大阪市の会社でした", None),
        ("東京都千代田区に住んでいます", "13"),
        ("福岡の刑事さんから電話があり、口座を調べると言われました", None),
        ("広島県の母に、大阪の警察を名乗る電話がありました", "34"),
        ("札幌の検察だと名乗る男でした", None),
        ("東京の警察署に相談しました", "13"),
        ("一人暮らしの方で、息子さんは東京で働いています", None),
        ("明日、東京の家に行って封筒をもらってこいと言われました", None),
        ("横浜まで来いと言われています", None),
        ("大阪に住んでいて、名古屋に行くように言われました", "27"),
        ("東京に行って、店で買いました", "13"),
    ],
)
def test_prefecture(sentence: str, prefecture: str | None) -> None:
    assert read(sentence).prefecture == prefecture


@pytest.mark.parametrize(
    ("sentence", "device", "elapsed"),
    [
        ("昨日パソコンに警告が出ました", "pc", "昨日"),
        ("3日前にスマホにSMSが来た", "smartphone", "3日前"),
        ("先週、ｉＰｈｏｎｅに", "smartphone", "先週"),
        ("困っています", None, None),
    ],
)
def test_device_and_time(sentence: str, device: str | None, elapsed: str | None) -> None:
    attributes = read(sentence)
    assert (attributes.device, attributes.elapsed) == (device, elapsed)
