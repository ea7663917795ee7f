"""Sans-IO: plain text in, in any pieces; its sentences out as they end, unless an object follows them.

A sentence goes out once its end and the first sign of what follows are known: before an object, a list, a fence or a
field's name it may be no more than a preface ("Sure! Here is the line:"), and waits for what comes of that. The first
sentence without kana waits for the one after it, because prefaces have none; and so does one of a few kanji, which is
Japanese only among Japanese.
"""

import re
from collections import deque
from itertools import islice

from conversation.reply import language, names, words
from conversation.reply.marks import Kind, is_role, kind_of_header
from conversation.reply.sentences import Sentences
from services.base import Emotion

_PARTS = tuple(map(re.compile, (r"[^。！？!?…\n]*", r"[。！？!?…]*", r"[」』”’）)\]】\"']*")))
_FENCE = re.compile(r"```\s{0,3}([A-Za-z+#]*)")
_NO_CODE = (None, "", "json", "jsonl", "text", "txt", "plaintext", "markdown", "md")
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]*\Z")
_LONGEST_ADDRESS = 512
_SPEAKER = re.compile(r"\s*[#*]{0,4}\s?([A-Za-z]{2,10})[*]{0,2}\s?[:：][*]{0,2}\s*")
_LABELLED = re.compile(r"\s*[(（\[【]?(\w{2,20})[)）\]】]?\s?[:：]\s*(\S.*)", re.DOTALL)
_LONGEST_OPENING = 64  # what shows whether JSON begins


class _Splitter:
    """Text in; sentences, each with all that ends it, out. Each character is looked at once."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._part = 0  # of the open sentence: body, stops, closing marks
        self.beginning = ""  # of the open sentence
        self.first = ""  # sign of all

    def feed(self, text: str) -> list[str]:
        whole: list[str] = []
        at = 0
        while at < len(text):
            run = _PARTS[self._part].match(text, at)
            assert run is not None  # every pattern here matches the empty string
            self._take(run[0])
            at = run.end()
            if at < len(text) and text[at] == "\n":
                self._take("\n")
                at += 1
                whole.append(self.rest())
            elif at < len(text) and self._part == len(_PARTS) - 1:
                if self._goes_on_as_address(text[at]):
                    self._part = 0
                else:
                    whole.append(self.rest())
            elif at < len(text):
                self._part += 1
        return [sentence.lstrip() for sentence in whole if not sentence.isspace()]

    def _goes_on_as_address(self, char: str) -> bool:
        """Whether the stop was one of an address: `https://example.com/a?b=1`."""
        return "!" <= char <= "~" and _ADDRESS.search("".join(self._open)[-_LONGEST_ADDRESS:]) is not None

    def rest(self) -> str:
        """The open sentence, as if it were whole."""
        text = "".join(self._open)
        self._open.clear()
        self._part, self.beginning = 0, ""
        return text

    def _take(self, text: str) -> None:
        self._open.append(text)
        self.first = self.first or text.lstrip()[:1]
        if len(self.beginning) < _LONGEST_OPENING:
            self.beginning = (self.beginning + text[:_LONGEST_OPENING]).lstrip()


class _Labels:
    """What stands in front of a sentence and is none of it: who speaks, and how."""

    def __init__(self) -> None:
        self.emotion: Emotion = "auto"
        self._others = False  # the model goes on in somebody else's name

    def take_line(self, line: str) -> bool:
        """Whether all of it is an emotion's name: in Japanese it may as well be what is felt aloud."""
        if not names.is_emotion(line) or language.has_kana(line):
            return False
        self.emotion = names.emotion_of(line)
        return True

    def without(self, sentence: str) -> str:
        """What the character says of it: nothing where somebody else speaks."""
        speaker = _SPEAKER.match(sentence)
        if speaker and is_role(speaker[1]):
            self._others = kind_of_header(speaker[1]) is Kind.THEIRS
            sentence = sentence[speaker.end() :]
        if self._others:
            return ""
        labelled = _LABELLED.match(sentence)
        return labelled[2] if labelled and self.take_line(labelled[1]) else sentence


class Prose:
    """The plain text of a reply: in front of any object as it comes, and at the end what there was beside them."""

    def __init__(self, said: Sentences) -> None:
        self._said = said
        self._splitter = _Splitter()
        self._waiting: deque[str] = deque()  # whole sentences
        self._passed = 0  # places where JSON could begin, and does not: before the first of them, and after each
        self._flows = True  # nothing shows that JSON begins
        self._kana = False
        self._fence: str | None = None  # what stands behind the opening one
        self._labels = _Labels()
        self._before = said.count
        self.given = 0  # sentences that went out

    @property
    def spoke_alone(self) -> bool:
        """Whether no object has said anything since this began."""
        return self._said.count == self._before + self.given

    @property
    def is_quoted(self) -> bool:
        """Whether it begins with a quotation mark: it is read as a string."""
        return self._splitter.first != "" and self._splitter.first in "\"'“"

    def feed(self, text: str) -> None:
        self._waiting += self._splitter.feed(text)
        while self._flows and not self._said.too_long:
            self._let_go()
            if self._passed > len(self._waiting):
                break
            follows = "".join(islice(self._waiting, self._passed, self._passed + 8)) + self._splitter.beginning
            opens = words.opens_json(follows[:_LONGEST_OPENING]) if follows else None
            if opens is None:
                break
            if opens:
                self._say_what_came_before(self._passed)
            self._flows = not opens
            self._passed += 1

    def meet_object(self) -> None:
        """What comes next is an object."""
        if self._flows and self.given:
            last = self._splitter.rest()
            if last.strip():
                self._waiting.append(last)
            self._say_what_came_before(len(self._waiting))

    def _say_what_came_before(self, count: int) -> None:
        """Where sentences went out already, those before an object are no preface, but for `Here it is:`."""
        while self.given and count:
            count -= 1
            sentence = self._waiting.popleft()
            if not sentence.rstrip().endswith((":", "：")):
                self._say(sentence, "", like_json=self.is_quoted)

    def take_rest(self) -> str:
        """What has not gone out."""
        rest = "".join(self._waiting) + self._splitter.rest()
        self._waiting.clear()
        return rest

    def finish(self, text: str, *, like_json: bool) -> None:
        """Say all of a text; `like_json`: what is left of an object, without its syntax."""
        splitter = _Splitter()
        sentences = splitter.feed(words.without_syntax(text) if like_json else text)
        sentences.append(splitter.rest())
        labels = dict.fromkeys(each for each in sentences if like_json and names.is_emotion(words.clean(each)))
        if labels:
            self._labels.emotion = names.emotion_of(next(iter(labels)))
        told = [each for each in sentences if each not in labels]
        for number, sentence in enumerate(told):
            self._say(sentence, "".join(told[number + 1 : number + 2]), like_json=like_json)
        if not self._said.count:
            for label in labels:
                if not label.isascii():  # as a word it may be all there is
                    self._say(label, "", like_json=True)

    def _let_go(self) -> None:
        """Say the foremost sentences that need not wait any more."""
        while self._flows and self._waiting and self._passed >= (3 if self._is_doubtful(self._waiting[0]) else 2):
            if words.holds_syntax(self._waiting[0]):
                self._flows = False
                return
            sentence = self._waiting.popleft()
            self._passed -= 1
            self._say(sentence, self._waiting[0] if self._waiting else "", like_json=self.is_quoted)

    def _is_doubtful(self, sentence: str) -> bool:
        """Whether it may be a preface, or Japanese only if the next sentence is."""
        if self._kana or language.has_kana(sentence):
            return False
        return not self.given or language.is_short_kanji(sentence)

    def _say(self, sentence: str, follows: str, *, like_json: bool) -> None:
        if not (like_json or self.given) and sentence.endswith("\n") and self._labels.take_line(sentence):
            return
        sentence = self._labels.without(sentence)
        translation = words.translation(sentence)
        subtitle = self._kana and translation is not None
        self._read_fences(sentence)
        for text in words.plain_sentences(sentence if translation is None else translation, like_json=like_json):
            tongue = language.foreign_language(text, japanese_around=self._kana or language.has_kana(follows))
            if subtitle or self._fence not in _NO_CODE:
                tongue = language.UNSPOKEN
            if self._said.say(text, text, self._labels.emotion, tongue) is not None:
                self.given += 1
        self._kana = self._kana or language.has_kana(sentence)

    def _read_fences(self, sentence: str) -> None:
        for fence in _FENCE.finditer(sentence):
            self._fence = fence[1].lower() if self._fence is None else None
