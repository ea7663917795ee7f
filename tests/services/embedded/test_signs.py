"""The signs that the embedded voice reads: each sentence sounds as the same one written out."""

from collections.abc import Callable

import pytest

from services.vendors.embedded.tts import Engines, split_clauses

pytestmark = pytest.mark.slow

Sounds = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    Engines(16_000, 0)  # has the front end read its dictionary, as at the start of the server
    import pyopenjtalk

    def of(text: str) -> list[str]:
        return [
            str(pyopenjtalk.g2p(clause.text, use_sudachi_kanji_yomi=False, predict_nani=False))
            for clause in split_clauses(text)
        ]

    return of


READ = (
    # money
    ("¥500", "500円"),
    ("￥1,000です", "1000円です"),
    ("1，000円", "1000円"),
    ("¥5万", "5万円"),
    ("500¥", "500円"),
    ("$5", "5ドル"),
    ("＄1.5億", "1.5億ドル"),
    ("€5", "ごユーロ"),
    ("5 €", "ごユーロ"),
    ("£5", "ごポンド"),
    ("₩500", "500ウォン"),
    # units
    ("10℃", "じゅうど"),
    ("10°C", "じゅうど"),
    ("北緯35°", "北緯35度"),
    ("-5.5℉", "マイナス華氏5.5度"),
    ("5‰", "5パーミル"),
    ("2GB", "2ギガバイト"),
    ("1L", "1リットル"),
    ("5µm", "5マイクロメートル"),
    ("4.7kΩ", "4.7キロオーム"),
    ("2³", "にのさんじょう"),
    ("x²", "エックスのにじょう"),
    # sums
    ("5±1", "5プラスマイナス1"),
    ("3×4", "3かける4"),
    ("1920x1080", "1920かける1080"),
    ("8÷2", "8わる2"),
    ("1+1=2", "1プラス1イコール2"),
    ("1 ＋ 1 ＝ 2", "1プラス1イコール2"),
    ("5-3=2", "5マイナス3イコール2"),
    ("3−2", "3マイナス2"),
    ("−5", "マイナス5"),
    ("-5℃", "マイナス5度"),
    ("気温は-5℃", "気温はマイナス5度"),
    ("+10点", "プラス10点"),
    ("π≒3", "パイ 3"),
    ("+α", "プラスアルファ"),
    ("犬＋猫", "犬プラス猫"),
    ("5≧3", "5だいなりイコール3"),
    # from ... to
    ("10〜20分", "10から20分"),
    ("5~10", "5から10"),
    ("10時～11時", "10時から11時"),
    ("10-20分", "10から20分"),
    ("$5〜$10", "5ドルから10ドル"),
    ("-5℃〜5℃", "マイナス5度から5度"),
    ("10:00〜11:30に", "10時から11時30分に"),
    ("15:30〜だよ", "15時30分からだよ"),
    ("月〜金", "げつようから金"),
    ("土曜～日曜", "どようから日曜"),
    # parts, times, days
    ("1/2", "にぶんのいち"),
    ("¾", "よんぶんのさん"),
    ("3½", "3と2分の1"),
    ("3:00", "さんじ"),
    ("15：30", "じゅうごじさんじゅっぷん"),
    ("9:05", "9時5分"),
    ("0:05", "れいじ5分"),
    ("10:30:15", "10時30分15秒"),
    ("16:9", "16たい9"),
    ("2026/11/28", "2026年11月28日"),
    ("2026-01-05", "2026年1月5日"),
    ("2026/11", "2026年11月"),
    ("12/25はクリスマス", "12月25日はクリスマス"),
    # signs for words
    ("№1", "ナンバーいち"),
    ("＃1", "ナンバーいち"),
    ("Bさん&Dさん", "ビーさんアンドディーさん"),
    ("犬＆猫", "犬アンド猫"),
    ("a@b", "エイアットマークビー"),
    ("＠ホーム", "アットホーム"),
    ("Ⅲ", "さん"),
    ("①と②", "1と2"),
    ("F♯", "エフシャープ"),
    ("〒100-0001", "郵便番号100-0001"),
)

# What the synthesiser reads rightly by itself, and signs that say nothing.
LEFT = (
    ("100%", "ひゃくパーセント"),
    ("５％", "ごパーセント"),
    ("1,000", "せん"),
    ("3.14", "さんてんいちよん"),
    ("5㎡", "ごへーほーメートル"),
    ("5㎏", "ごキログラム"),
    ("5㌔", "ごキロ"),
    ("100m", "ひゃくメートル"),
    ("60km/h", "60キロメートルまいじ"),
    ("5元", "ごげん"),
    ("No.1", "ナンバーいち"),
    ("Wi-Fi", "ワイファイ"),
    ("C++", "シープラスプラス"),
    ("5G", "ファイブジー"),
    ("1ドルは5月7日", "いちドルはごがつなのか"),
    ("やったー♪", "やったー"),
    ("☆きらきら☆", "きらきら"),
    ("えっ→うそ", "えっ うそ"),
    ("ね〜え", "ねーえ"),
    ("大好き～！", "大好きー！"),
    ("ジャン＝ポール", "ジャン ポール"),
    ("(=^・^=)にゃあ", "にゃあ"),
    ("(°▽°)わあ", "わあ"),
    ("ねえ，3時だよ", "ねえ、3時だよ"),
    ("そう…3時", "そう。3時"),
    ("ミク™", "ミク"),
)


@pytest.mark.parametrize(("text", "words"), READ)
def test_a_sign_is_read(sounds: Sounds, text: str, words: str) -> None:
    assert sounds(text) == sounds(words)


@pytest.mark.parametrize(("text", "words"), LEFT)
def test_what_is_right_without_us_or_says_nothing_stays_so(sounds: Sounds, text: str, words: str) -> None:
    assert sounds(text) == sounds(words)
