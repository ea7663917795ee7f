"""Partial transcripts in; whether their speakers have finished out."""

import pytest

from conversation.interruption.end_of_turn import Ending, ending, silence_ms

COMPLETE = """
为什么 | 你叫什么名字？ | 你叫什么名字 | 今天天气怎么样 | 今天天气怎么样？ | 你在干什么呢 | 你吃饭了吗
我们一起去吧
给我唱一首歌吧。 | 现在几点了
这个多少钱 | 我知道了 | 好，明白了 | 我今天有点累。 | 我刚刚吃完饭。 | 你是谁 | 他在哪里 | 这样好不好 | 谢谢
谢谢你 | 晚安 | 没关系 | 那个是什么？
那个吗 | 你觉得呢 | 然后呢 | 为什么？ | 但是为什么？ | 什么意思 | 不用了 | 「你好吗」 | 你好吗！
我想知道你叫什么
お名前は何ですか | お名前は何ですか？ | 今日は何をしたの？ | 行きます | もう食べました | わかりません
元気ですか | いい天気ですね | 一緒に遊ぼうよ
歌ってください | 歌を歌ってください。 | ありがとう | おはよう | おはようございます | こんにちは | こんばんは
おやすみなさい | さようなら
ごめんなさい | お願いします | 好きな食べ物は？ | 明日はどこへ行こうか | いいかな | 行きましょう | そうですよね
昨日、映画を見た。 | デスカ？
How are you | How are you? | What's your name | what did you do today? | Thank you. | Sing me a song, please
I am a little tired. | Good night
I don't know | who are you with? | Where are you from? | Nice to meet you | Are you sure | that's all | And you?
"""

SHAPES = """
我今天有点累 | 我有点想家了 | 他把我的书弄丢了 | 老师表扬我了 | 天空是蓝色的 | 你说得对 | 今天好累啊
今日は疲れた | 昨日友達と映画を見に行ったんだ | ラーメンが食べたい | いいと思う | 明日はどこへ行く | 歌ってほしい
sing me a song | my friend came home alone | can you sing something for me | that sounds great
where did you grow up | I failed my exam | let me think about it | who is your best friend
"""

OPEN = """
我想吃嗯 | 嗯，那个 | 我昨天那个 | 我去了学校然后 | 然后 | 因为 | 我喜欢他，因为 | 因为。 | 我喜欢他，因为。
我觉得 | 我觉得。 | 但是 | 所以 | 而且
你能不能 | 你能帮我 | 如果明天下雨的话 | 如果 | 我和 | 比如说 | 还有 | 我去的时候 | 怎么说呢 | 就是
今天天气很好， | 我想…… | 我想... | 虽然
我想要一个 | 呃 | 你好，我是小明， | 他吃完饭之后 | 其实 | 我想问你吗，
えっと | えーと | えっと… | あの | あのー | あのね | なんか | 昨日なんか | 今日は学校に行ったけど
行きたいんですけど | 行きたいんですけど。 | 疲れたから
雨だから、 | それで | そして | でもね | 昨日友達と | 学校に | 明日は | 私が | 本を | 行くので | 行ったのに
もし | 雨が降ったら | 例えば | 音楽とか
きれいだし | 昨日は、 | 実は | 好きなのは、 | エット | 今日、えっとー
um | Um... | I went home and | I went home and. | and then | because | I like it because | so I think
I want to | I would like to | can you
Could you | my favourite colour is | I went to the | if | but | you know | it was, like | well, you know
hold on, | I was thinking - | let me | uh, so
"""

EITHER = """
嗯 | 好 | 对 | 是的 | 今天 | 今天。 | 明天我们 | 我喜欢红色 | 给我唱一首歌 | 停 | 这个 | 你为什么
三 | 我想 | 我昨天去了 | 我弹吉他已经弹了 | 嘛 | 我呢 | 其实呢
はい | はい。 | うん | いいえ | でも | 今日 | 歌って | ちょっと待って | カラオケ | 私も
行かないで | ないで | どこか
yes | no | okay | Yes. | hello | I am a little tired | stop | so | hmm | I think so | band
candy | | … | 。 | ?
"""


def table(text: str) -> list[str]:
    return [cell.strip() for line in text.strip().splitlines() for cell in line.split("|")]


@pytest.mark.parametrize(
    ("partial", "expected"),
    [(each, Ending.COMPLETE) for each in table(COMPLETE) + table(SHAPES)]
    + [(each, Ending.OPEN) for each in table(OPEN)]
    + [(each, Ending.EITHER) for each in table(EITHER)],
)
def test_end_of_a_transcript(partial: str, expected: Ending) -> None:
    assert ending(partial) is expected


@pytest.mark.parametrize(
    ("partial", "default_ms", "expected"),
    [
        ("你好吗", 600, 300),
        ("你好吗", 200, 200),
        ("然后", 600, 1200),
        ("然后", 2000, 2000),
        ("今天", 600, 1000),
        ("今天", 2000, 2000),
        ("不要", 600, 600),
        ("嗯", 600, 600),
        ("", 700, 700),
    ],
)
def test_window_is_never_moved_the_wrong_way(partial: str, default_ms: int, expected: int) -> None:
    assert silence_ms(partial, default_ms, complete_ms=300, unfinished_ms=1200) == expected


def test_long_transcript_costs_nothing() -> None:
    assert ending("然后" * 100_000 + "吗") is Ending.COMPLETE
