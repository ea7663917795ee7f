"""Transcripts in; whether they only show that somebody listens out."""

import subprocess
import sys
from pathlib import Path

import pytest

from conversation.interruption.backchannels import is_backchannel, may_become_backchannel

ROOT = Path(__file__).parents[3]

LISTENING = """
嗯 | 嗯。 | 嗯嗯 | 嗯嗯嗯 | 嗯，嗯 | 嗯……嗯 | 嗯哼 | 恩 | 哦 | 哦哦 | 哦～ | 噢 | 喔 | 啊 | 哎呀 | 哇 | 哇！
对 | 对对 | 对对对
对，对，对。 | 对的 | 对啊 | 对呀！ | 对吧 | 是 | 是的 | 是啊 | 是是是 | 是呢 | 好 | 好的 | 好好好 | 好呀
好的好的 | 嗯好的
嗯，是的 | 嗯嗯，对 | 哦，这样啊 | 哦，原来如此 | 原来是这样啊 | 没错 | 确实 | 当然 | 明白了 | 知道了 | 懂了
有道理 | 是吗 | 是吗？
真的？ | 真的吗？ | 真的假的 | 哈哈 | 哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈 | 呵呵 | 嘿嘿嘿 | 嘻嘻 | 哈哈，对
呃 | 嗯嗯 OK | OK | ok。
はい | はい。 | はいはい | はいはいはい | はーい | ハイ | ﾊｲ | はいっ | はぁい | うん | うんうん | うんうんうん
うーん | ウン | うんっ
うん、そう | そう | そうそう | そうそうそう | そうですね | そうですか | そうなんですか？ | そうなんだ
そうなの？ | そうか | そっか | そうだね
ああ、そう | あー | ああ | へえ | へぇ〜 | へーーー | ふーん | ほう | ええ | ええ、ええ | えー | おお | おー！
なるほど | なるほどね | なるほどなるほど
確かに | たしかに | もちろん | ほんと？ | 本当？ | マジ？ | まじで | すごい | すごいね | さすが | いいね
わかる | わかりました | ははは | はははは
あはは | ふふふ | えへへ | へへ | うん、なるほど | はい、わかりました | あ、はい | あっ、そっか
uh-huh | Uh-huh. | uh huh uh huh | UH HUH | mm-hmm | Mm-hm | mhm | mm | mmm | mmmmm | hmm | hmmm | hm | oh | ooh
Oh! | ah | aha | wow | yeah
yeah yeah | Yeah, yeah, yeah. | yep | yup | yes | Yes. | ok | okay | Okay, okay | right | Right? | alright
all right | sure | of course | I see
oh I see | Got it. | that's right | That’s true | really | Really? | exactly | cool | nice | great | haha
ha ha ha | hahahahahaha | hehe | ha
oh yeah | yeah, right | ｙｅａｈ | ＯＫ | uh
"""

INTERRUPTING = """
停 | 停！ | 停停停 | 停一下 | 等等 | 等一下 | 等会儿 | 别说了 | 不要说了 | 不 | 不是 | 不对 | 不对不对 | 不要
不行 | 不好 | 没有 | 够了 | 好了 | 好了好了
行了 | 行了行了 | 闭嘴 | 安静 | 打住 | 换一个 | 嗯，等一下 | 嗯嗯，等等 | 嗯，那个 | 嗯那你呢 | 对了
对了，我想问 | 对了对了 | 对不起 | 对不起，我没听清
对面是什么 | 对，但是 | 好，那我们走吧 | 好像不是 | 好吃吗 | 好的，停 | 是不是 | 是谁 | 是因为 | 哦不 | 哦，对了
哦那明天呢 | 啊，等等 | 啊？ | 嗯？ | 哈？
什么 | 什么？ | 为什么 | 你说什么 | 我 | 我想 | 那个 | 然后呢 | 喂 | 可以停了吗 | 可以吗？ | 好吗？ | 知道吗
真的不行 | 真好笑 | 哈哈，那你呢 | 明天 | 三 | 3
行李 | 当然不是 | 确实是他吗 | 明白人 | 厉害什么
はい、ちょっと待って | はいはい、もういい | はい？ | うん、でも | うん、それで | うん？ | ううん | いいえ | いえ
いや | いや、違う | 違う | 違います | だめ
ダメ | やめて | やめろ | 止めて | ストップ | 待って | ちょっと | ちょっと待って | ねえ | ねえねえ | あの
あのね | あなた | えっと | えーと | で | でも | それで
もういい | もういいよ | うるさい | 黙って | 静かに | そうじゃない | そうじゃなくて | そうだけど | そういえば
そうでもない | そうしよう | すごい嫌い | なんで
何 | なに？ | え？ | 本当は | わからない | わかりません | わかったから止めて | あ、そういえば | ああ、違う
へえ、いつ？ | はははじゃない | おはよう | はじめまして
うんざり | うんこ | はいって | いいえいいえ | いいです | いいよもう | おなか | ほんとのこと | あした | うち
stop | Stop! | stop stop | wait | Wait, wait | hold on | no | no no no | nope | shut up | quiet | enough
that's enough | but | well | so | and | um, wait
uh, hold on | uh-huh, but | yeah but | yeah no | yes, but why | okay stop | ok, next | okay so what about
right now | right, but | oh no | oh wait | hey
I see a problem | I | what | What? | hm? | huh? | excuse me | sorry | really not | sure about that? | okay?
yes I do | no I see | see | of | all | got
great, now play music | haha stop | how | ohio | yesterday | rightly | amend
| … | 。。。 | ? | ，
"""


def table(text: str) -> list[str]:
    return [cell.strip() for line in text.strip().splitlines() for cell in line.split("|")]


@pytest.mark.parametrize("text", table(LISTENING))
def test_listener_who_only_says_so(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize("text", table(INTERRUPTING))
def test_listener_who_wants_to_speak(text: str) -> None:
    assert not is_backchannel(text)


@pytest.mark.parametrize(
    "text", ["な", "なる", "なるほ", "うん、なる", "は", "そ", "た", "原来", "嗯，原来", "I", "uh huh, I"]
)
def test_beginning_of_such_words_is_waited_for(text: str) -> None:
    assert may_become_backchannel(text) or is_backchannel(text)


@pytest.mark.parametrize(
    "text", ["", "。", "好的", "そう", "嗯", "なるほどね", "待", "I am", "等", "原来你", "uh huh but"]
)
def test_other_words_are_not_waited_for(text: str) -> None:
    assert not may_become_backchannel(text)


def test_long_answer_of_such_words_is_an_answer() -> None:
    assert not is_backchannel("嗯对是的好的确实没错当然明白了知道了")
    assert not is_backchannel("yes okay sure of course exactly great awesome")


def test_hostile_length_costs_nothing() -> None:
    assert not is_backchannel("あはへうんそ" * 20_000 + "x")
    assert not is_backchannel("".join(chr(0x4E00 + at) for at in range(5_000)))


@pytest.mark.slow
def test_lists_are_found_from_any_folder(tmp_path: Path) -> None:
    script = "from conversation.interruption.backchannels import is_backchannel; print(is_backchannel('はいはい'))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout == "True\n"
