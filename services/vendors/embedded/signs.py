"""Pure: text in, the same text with its signs in words out, for a synthesiser that passes over most of them.

What is not here it reads by itself: %, kg, ㎡, 1,000, 3.14, C++. A sign that is only decoration has no row and stays
silent: ☆, ♪, →. The next sign to be read is one more line; the first row that fits a place wins.
"""

import re
import unicodedata

Rows = tuple[tuple[re.Pattern[str], str], ...]

_JAPANESE = "ぁ-ゖァ-ヺー々〆\u3400-\u9fff"
_KANJI = "\u3400-\u9fff"
_WORD = f"0-9A-Za-zαβγπ{_JAPANESE}"  # what a sign can stand between, and be no face: (=^・^=)
_NUMBER = r"\d[\d,]{0,15}(?:\.\d{1,9})?[千万億兆]?"  # bounded, so that a long row of digits is read once
_MONTH = "0?([1-9]|1[0-2])"
_DAY = "0?([1-9]|[12][0-9]|3[01])"


def _rows(*rows: tuple[str, str]) -> Rows:
    return tuple((re.compile(pattern), words) for pattern, words in rows)


def _money(sign: str, name: str) -> tuple[tuple[str, str], ...]:
    """The name of a currency comes after the amount, wherever its sign stood."""
    return (rf"{sign}\s?({_NUMBER})", rf"\1{name}"), (rf"(?<=[0-9千万億兆])\s?{sign}", name)


def _unit(sign: str, name: str) -> tuple[str, str]:
    return rf"(?<=[0-9])\s?{sign}(?![0-9A-Za-z])", name


# Signs whose meaning is lost in NFKC, which makes III of Ⅲ, 23 of 2³ and 31⁄2 of 3½.
_BEFORE_NFKC = _rows(
    (r"(?<=\d)([⁰¹²³⁴-⁹]{1,9})|(?<=(?<![A-Za-z])[abnrxyz])([⁰¹²³⁴-⁹]{1,9})", r"の\1\2乗"),  # m² stays
    (r"(?<=\d)([¼½¾⅐-⅞])", r"と\1"),
    (r"，(?!\d{3}(?!\d))|(?<!\d)，", "、"),  # any other may stand in a number
    (r"[™℠]", ""),
)
_ROMAN = {ord(sign): str(at) for row in ("ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫ", "ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅺⅻ") for at, sign in enumerate(row, 1)}

_AFTER_NFKC = _rows(
    # From ... to: the amounts may have a unit of letters or kanji, not of kana (3時だよ〜).
    (rf"(?<=\d)([A-Za-z%‰°]{{1,4}}|[{_KANJI}]{{1,3}})?\s?[~〜]\s?(?=[-−+¥$€£]?\d)", r"\1から"),
    (r"(?<=\d:[0-5]\d)[~〜]", "から"),
    (r"(?<=\d)-(?=\d{1,9}(?:%|°|秒|分|時|日|週|年|円|人|個|回|歳|度|枚|本|km|kg|cm))", "から"),
    (r"(?<=[月火水木金土日])((?:曜日?)?)[~〜](?=[月火水木金土日](?:曜|(?![\u3400-\u9fff])))", r"曜から"),
    (r"(?<![A-Za-z])([A-Z])[~〜](?=[A-Z](?![A-Za-z]))", r"\1から"),
    # Dates, times, parts and proportions.
    (rf"(?<![\d/.-])(\d{{4}})([/.-]){_MONTH}(?:\2){_DAY}(?![\d/-])", r"\1年\3月\4日"),
    (rf"(?<![\d/])(\d{{4}})/{_MONTH}(?![\d/])", r"\1年\2月"),
    (r"(?<![\d:])0?0:00?(?![\d:])", "れい時"),
    (r"(?<![\d:])0?0:0?([1-9]|[1-5]\d)(?![\d:])", r"れい時\1分"),
    (r"(?<![\d:])(?:0?([1-9])|(1\d|2[0-4])):00(?![\d:])", r"\1\2時"),
    (r"(?<![\d:])(?:0?([1-9])|(1\d|2[0-4])):(?:0([1-9])|([1-5]\d))(?![\d:])", r"\1\2時\3\4分"),
    (
        r"(?<![\d:])(?:0?(\d)|(1\d|2[0-4])):(?:0(\d)|([1-5]\d)):(?:0(\d)|([1-5]\d))(?![\d:])",
        r"\1\2時\3\4分\5\6秒",
    ),
    (r"(?<=\d):(?=\d)", "たい"),
    (r"(\d{1,9})⁄(\d{1,9})", r"\2分の\1"),
    # 3/4 is a part, 11/28 a day: whoever means the fourth of March says so in another way more often than not.
    (r"(?<![\d/])([1-9])/(10|[2-9])(?![\d/])(?!日)", r"\2分の\1"),
    (rf"(?<![\d/]){_MONTH}/{_DAY}日?(?![\d/])", r"\1月\2日"),
    (r"(?<![\d/])(\d{1,9})/(\d{2,9})(?![\d/])", r"\2分の\1"),
    # Money.
    *_money("¥", "円"),
    *_money(r"\$", "ドル"),
    *_money("€", "ユーロ"),
    *_money("£", "ポンド"),
    *_money("₩", "ウォン"),
    *_money("₽", "ルーブル"),
    *_money("₹", "ルピー"),
    *_money("฿", "バーツ"),
    *_money("₫", "ドン"),
    *_money("¢", "セント"),
    # Units that the dictionary lacks.
    (rf"(?<![0-9.,])({_NUMBER})\s?°F(?![A-Za-z])", r"華氏\1度"),
    (r"°C(?![A-Za-z])", "度"),
    (r"(?<=\d)\s?°", "度"),
    (r"(?<=\d)\s?′′", "秒"),
    (r"(?<=\d)\s?′", "分"),
    ("‰", "パーミル"),
    _unit("L", "リットル"),
    _unit("kB", "キロバイト"),
    _unit("GB", "ギガバイト"),
    _unit("PB", "ペタバイト"),
    _unit("Mbps", "メガビット毎秒"),
    _unit("Gbps", "ギガビット毎秒"),
    _unit("mAh", "ミリアンペアアワー"),
    _unit("μm", "マイクロメートル"),
    _unit("μg", "マイクログラム"),
    _unit("μs", "マイクロ秒"),
    _unit("ms", "ミリ秒"),
    _unit("sec", "秒"),
    _unit("min", "分"),
    _unit("h", "時間"),
    _unit("ft", "フィート"),
    _unit("oz", "オンス"),
    _unit("lx", "ルクス"),
    _unit("px", "ピクセル"),
    (r"(?<=[0-9])\s?kΩ", "キロオーム"),
    (r"(?<=[0-9])\s?MΩ", "メガオーム"),
    (r"(?<=[0-9])\s?Ω", "オーム"),
    # Arithmetic. A hyphen between numbers is one of a telephone number, unless the sum is there.
    (r"\s?±\s?(?=\d)", "プラスマイナス"),
    (r"(?<=\d) - (?=\d)", "マイナス"),
    (r"(?<=\d)-(?=\d[\d.,]{0,9}\s?=)", "マイナス"),
    (r"\s?−\s?(?=華氏|\d)", "マイナス"),
    (rf"(?<![0-9A-Za-z{_KANJI}ァ-ヺー)-])-(?=華氏|\d)|(?<=[温度])-(?=\d)", "マイナス"),
    (rf"(?<=[{_WORD}])\s?×\s?(?=[{_WORD}])", "かける"),
    (r"(?<=\d)\s?[xX*]\s?(?=\d)", "かける"),
    (rf"(?<=[{_WORD}])\s?÷\s?(?=[{_WORD}])", "わる"),
    (rf"(?<![ァ-ヺー])(?<=[{_WORD}%])\s?=\s?(?=[{_WORD}¥$−-])", "イコール"),  # ＝ joins names: ダ＝ヴィンチ
    (r"(?<=\d)\s?≠\s?(?=\d)", "ノットイコール"),
    (r"(?<=\d)\s?[≒≈]\s?(?=\d)", "ニアリーイコール"),
    (r"(?<=\d)\s?[≧≥]\s?(?=\d)", "大なりイコール"),
    (r"(?<=\d)\s?[≦≤]\s?(?=\d)", "小なりイコール"),
    (r"(?<=\d)\s?>\s?(?=\d)", "大なり"),
    (r"(?<=\d)\s?<\s?(?=\d)", "小なり"),
    (rf"(?<=\d)\s?\+\s?(?=\d)|(?<![+])\+(?=[{_WORD}])", "プラス"),
    (r"(?<=[A-Za-z])\+(?![+A-Za-z])(?<!\+\+)", "プラス"),
    (r"√(?=\d)", "ルート"),
    ("∞", "無限大"),
    ("α", "アルファ"),
    ("β", "ベータ"),
    ("γ", "ガンマ"),
    ("π", "パイ"),
    # Signs for words.
    (r"(?<![A-Za-z])No\.?\s?(?=\d)", "ナンバー"),
    (r"#\s?(?=\d)", "ナンバー"),
    (r"(?<=[A-Za-z])[#♯]", "シャープ"),
    (r"(?<=[A-Za-z])♭", "フラット"),
    (rf"(?<=[{_WORD}])\s?&\s?(?=[{_WORD}])", "アンド"),
    (r"(?<=[0-9A-Za-z])@(?=[0-9A-Za-z])", "アットマーク"),
    (rf"@(?=[{_WORD}])", "アット"),
    (r"〒\s?(?=\d)", "郵便番号"),
    (r"(?<![0-9])1st(?![A-Za-z])", "ファースト"),
)


def in_words(text: str) -> str:
    """`text` as NFKC has it, with signs in words."""
    text = unicodedata.normalize("NFKC", _replaced(text, _BEFORE_NFKC).translate(_ROMAN))
    return _replaced(text, _AFTER_NFKC)


def _replaced(text: str, rows: Rows) -> str:
    for pattern, words in rows:
        text = pattern.sub(words, text)
    return text
