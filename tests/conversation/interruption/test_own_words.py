"""What was spoken and what a recogniser wrote down in; whether it heard our own voice out."""

import pytest

from conversation.interruption.own_words import sounds_like_own

OWN = """
ありがとう、またあしたね。 = 阿里嘎多 马塔阿西塔内
こんにちは、げんきですか。 = 空你几哇，跟ki得斯卡
おはよう、きょうもいいてんきだね。 = 哦哈哟 ki哟莫以以谈ki大内
さようなら、またね。 = 撒哟那拉 马塔内
なるほど、そうなんですね。 = 那鲁霍多 搜南得斯内
ごめんなさい、わすれてた。 = 狗没那赛 哇斯列忒他
わたしもいっしょにうたいたいな。 = 瓦塔西莫一休尼乌塔一塔一那
かわいいねこがいるよ。 = 卡哇伊内口嘎一路哟
おやすみ、いいゆめをみてね。 = 哦亚斯米 一一优没哦米忒内
今日はバンドの練習があるんだ。いっしょに来る？ = 今日はバンドの練習があるんだ
今日はバンドの練習があるんだ。いっしょに来る？ = バンドの練習があるんだ
今日はバンドの練習があるんだ。いっしょに来る？ = 練習があるんだ一緒に来る
あしたの放課後、みんなで集まろうよ。 = アシタノ放課後みんなであつまろうよ
今天天气很好，我们一起去公园散步吧。 = 今天天气很好我们一起去公园
今天天气很好，我们一起去公园散步吧。 = 金田天气很好，我们一起去公源
我刚刚在练习吉他，你想听吗？ = 我刚刚在练习吉他
I have been practising the guitar all day. = I have been practising the guitar
I have been practising the guitar all day. = practicing a guitar all day
"""

USERS = """
ありがとう、またあしたね。 = 等一下，我想问你一个问题
ありがとう、またあしたね。 = 你明天有空吗
ありがとう、またあしたね。 = ありがとう、でも待って
こんにちは、げんきですか。 = 我很好，你呢
今日はバンドの練習があるんだ。いっしょに来る？ = うん、行きたい
今日はバンドの練習があるんだ。いっしょに来る？ = 今日は行けないよ、ごめんね
今日はバンドの練習があるんだ。いっしょに来る？ = バンドって何をするの
今日はバンドの練習があるんだ。いっしょに来る？ = 我今天没有时间
今日はバンドの練習があるんだ。いっしょに来る？ = はい
あしたの放課後、みんなで集まろうよ。 = 停，不要说了
あしたの放課後、みんなで集まろうよ。 = 请你唱一首歌给我听
おはよう、きょうもいいてんきだね。 = 你刚才说的是什么意思
今天天气很好，我们一起去公园散步吧。 = 公园太远了，换个地方吧
今天天气很好，我们一起去公园散步吧。 = 今天不行，我要写作业
我刚刚在练习吉他，你想听吗？ = 想听
我刚刚在练习吉他，你想听吗？ = 我不想听，我想睡觉了
I have been practising the guitar all day. = could you play something for me
I have been practising the guitar all day. = the guitar, really? since when
I have been practising the guitar all day. = stop
さようなら、またね。 = 你能再说一遍吗
大丈夫、心配しないで。 = 我有一点担心明天的考试
 = 你明天有空吗
……。 = 你明天有空吗
こんにちは。 =
"""


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("=")] for line in text.strip("\n").splitlines()]


@pytest.mark.parametrize(("spoken", "transcript"), table(OWN))
def test_transcript_of_our_own_voice(spoken: str, transcript: str) -> None:
    assert sounds_like_own(transcript, spoken)
    assert sounds_like_own(transcript, f"そうそう、きいてよ。{spoken}えへへ、たのしみだな。")


@pytest.mark.parametrize(("spoken", "transcript"), table(USERS))
def test_transcript_of_a_user(spoken: str, transcript: str) -> None:
    assert not sounds_like_own(transcript, spoken)
    assert not sounds_like_own(transcript, f"そうそう、きいてよ。{spoken}えへへ、たのしみだな。")


def test_long_texts_cost_little() -> None:
    assert not sounds_like_own("你明天有空吗" * 10_000, "ありがとう" * 10_000)
