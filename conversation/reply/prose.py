"""Sans-IO: plain text in, in any pieces; its sentences out as they end, unless an object follows them.

A sentence goes out once its end and the first sign of what follows are known: before an object, a list, a fence or a
field's name it may be no more than a preface ("Sure! Here is the line:"), and waits for what comes of that. The first
sentence without kana waits for the one after it, because prefaces have none; and so does one of a few kanji, which is
Japanese only among Japanese.
"""

import re
from collections import deque
from itertools import islice

from conversation.reply import labels, language, names, words
from conversation.reply.labels import LONGEST, Opening, Speakers
from conversation.reply.marks import NAMES, Kind, begins_call, is_call
from conversation.reply.sentences import Sentences
from services.base import Emotion

_PARTS = tuple(map(re.compile, (r"[^。！？!?…\n]*", r"[。！？!?…]*", r"[」』”’）)\]】\"']*", r"[^\S\n]*")))
_FENCE = re.compile(r"```\s{0,3}([\w+#-]*)")
_NO_CODE = (None, "", "json", "jsonl", "text", "txt", "plaintext", "markdown", "md")
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]*\Z")
_LONGEST_ADDRESS = 512
_LONGEST_CALL = 512
_LABELLED = re.compile(r"\s*[(（\[【]?(\w{2,20})[)）\]】]?\s?[:：]\s*(\S.*)", re.DOTALL)


class _Splitter:
    """Text in; sentences, each with all that ends it, out. Each character is looked at once."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._part = 0  # of the open sentence: body, stops, closing marks
        self._length = 0  # of the open sentence
        self.beginning = ""  # of it
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
                goes_on = self._goes_on_as_call()
                self._take("\n")
                at += 1
                if goes_on:
                    self._part = 0
                else:
                    whole.append(self.rest())
            elif at < len(text) and self._part == len(_PARTS) - 1:
                if self._goes_on_as_address(text[at]) or self._goes_on_as_call():
                    self._part = 0
                else:
                    whole.append(self.rest())
            elif at < len(text):
                self._part += 1
        return [sentence.lstrip() for sentence in whole if not sentence.isspace()]

    def _goes_on_as_address(self, char: str) -> bool:
        """Whether the stop was one of an address: `https://example.com/a?b=1`."""
        return "!" <= char <= "~" and _ADDRESS.search("".join(self._open)[-_LONGEST_ADDRESS:]) is not None

    def _goes_on_as_call(self) -> bool:
        """Whether the brackets of a call stand open: what is in them are no sentences."""
        if self._length > _LONGEST_CALL or not begins_call(self.beginning):
            return False
        text = "".join(self._open)
        return text.count("(") > text.count(")")

    def rest(self) -> str:
        """The open sentence, as if it were whole."""
        text = "".join(self._open)
        self._open.clear()
        self._part, self._length, self.beginning = 0, 0, ""
        return text

    def _take(self, text: str) -> None:
        self._open.append(text)
        self._length += len(text)
        self.first = self.first or text.lstrip()[:1]
        if len(self.beginning) < LONGEST:
            self.beginning = (self.beginning + text[:LONGEST]).lstrip()


class _Labels:
    """What stands in front of a sentence and is none of it: who speaks, and how."""

    def __init__(self, speakers: Speakers) -> None:
        self.emotion: Emotion = "auto"
        self._speakers = speakers
        self._others = False  # the model goes on in somebody else's name

    def take_line(self, line: str) -> bool:
        """Whether all of it is an emotion's name: in Japanese it may as well be what is felt aloud."""
        if not names.is_emotion(line) or language.has_kana(line):
            return False
        self.emotion = names.emotion_of(line)
        return True

    def words_of(self, sentence: str) -> str:
        """What follows all labels, whoever says it."""
        return self._speakers.label(labels.split_emotion(sentence)[1])[2]

    def without(self, sentence: str) -> str:
        """What the character says of it: nothing where somebody else speaks."""
        emotion, sentence = labels.split_emotion(sentence)
        self.emotion = emotion or self.emotion
        kind, aside, sentence = self._speakers.label(sentence)
        if kind:
            self._others = kind is Kind.THEIRS
        if self._others:
            return ""
        self.take_line(aside)
        labelled = _LABELLED.match(sentence)
        return labelled[2] if labelled and self.take_line(labelled[1]) else sentence


class _Spoken:
    """Says plain sentences one after another, each in the light of those before it."""

    def __init__(self, said: Sentences) -> None:
        self._said = said
        self.labels = _Labels(said.speakers)
        self._kana = False
        self._fence: str | None = None  # what stands behind the opening one
        self.given = 0  # sentences that went out

    def is_doubtful(self, sentence: str) -> bool:
        """Whether it may be a preface, or Japanese only if the next sentence is."""
        if self._kana or language.has_kana(sentence):
            return False
        return not self.given or language.is_short_kanji(self.labels.words_of(sentence))

    def say(self, sentence: str, follows: str, *, like_json: bool) -> None:
        if is_call(sentence) or NAMES.get(self._fence or "") is Kind.CALL:
            self._read_fences(sentence)
            return
        if not (like_json or self.given) and sentence.endswith("\n") and self.labels.take_line(sentence):
            return
        sentence = self.labels.without(sentence)
        translation = words.translation(sentence)
        subtitle = self._kana and translation is not None
        self._read_fences(sentence)
        for text in words.plain_sentences(sentence if translation is None else translation, like_json=like_json):
            tongue = language.foreign_language(text, japanese_around=self._kana or language.has_kana(follows))
            if subtitle or self._fence not in _NO_CODE:
                tongue = language.UNSPOKEN
            if self._said.say(text, text, self.labels.emotion, tongue) is not None:
                self.given += 1
        self._kana = self._kana or language.has_kana(sentence)

    def _read_fences(self, sentence: str) -> None:
        for fence in _FENCE.finditer(sentence):
            self._fence = fence[1].lower() if self._fence is None else None


class Prose:
    """The plain text of a reply: in front of any object as it comes, and at the end what there was beside them."""

    def __init__(self, said: Sentences) -> None:
        self._said = said
        self._splitter = _Splitter()
        self._waiting: deque[str] = deque()  # whole sentences
        self._passed = 0  # places where JSON could begin, and does not: before the first of them, and after each
        self._opened = Opening.NOTHING
        self.spoken = _Spoken(said)
        self._before = said.count

    @property
    def _flows(self) -> bool:
        """Whether nothing shows that JSON begins."""
        return self._opened is Opening.NOTHING

    @property
    def spoke_alone(self) -> bool:
        """Whether no object has said anything since this began."""
        return self._said.count == self._before + self.spoken.given

    def is_plain(self, rest: str) -> bool:
        """Whether no fields stand in what has not gone out: some has, or it is the emotion of all that follows."""
        flows = self._flows and bool(self.spoken.given or labels.split_emotion(rest)[0])
        return flows or self._opened is Opening.FIELDS

    @property
    def is_quoted(self) -> bool:
        """Whether it begins with a quotation mark: it is read as a string."""
        return self._splitter.first != "" and self._splitter.first in "\"'“"

    def feed(self, text: str) -> None:
        self._waiting += self._splitter.feed(text)
        while self._flows and not self._said.too_long:
            self._let_go()
            if not self._flows or self._passed > len(self._waiting):
                break
            follows = "".join(islice(self._waiting, self._passed, self._passed + 8)) + self._splitter.beginning
            opens = words.opening(follows[:LONGEST], first=not (self._passed or self.spoken.given))
            if opens is Opening.UNKNOWN and len(follows) < LONGEST:
                break
            if opens in (Opening.JSON, Opening.FIELDS):
                self._say_what_came_before(self._passed)
                self._opened = opens
                break
            self._passed += 1

    def take_fields(self) -> str | None:
        """The text from the first field on that has no brace, once such a one has begun."""
        if self._opened is not Opening.FIELDS:
            return None
        at = 0 if self.spoken.given else self._passed
        fields = "".join(islice(self._waiting, at, None)) + self._splitter.rest()
        while len(self._waiting) > at:
            self._waiting.pop()
        return fields

    def meet_object(self) -> None:
        """What comes next is an object."""
        if self._flows and self.spoken.given:
            last = self._splitter.rest()
            if last.strip():
                self._waiting.append(last)
            self._say_what_came_before(len(self._waiting))

    def _say_what_came_before(self, count: int) -> None:
        """Where sentences went out already, those before an object are no preface, but for `Here it is:`."""
        while self.spoken.given and count:
            count -= 1
            sentence = self._waiting.popleft()
            if not sentence.rstrip().endswith((":", "：")):
                self.spoken.say(sentence, "", like_json=self.is_quoted)

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
        felt = dict.fromkeys(each for each in sentences if like_json and names.is_emotion(words.clean(each)))
        if felt:
            self.spoken.labels.emotion = names.emotion_of(next(iter(felt)))
        told = [each for each in sentences if each not in felt]
        for number, sentence in enumerate(told):
            self.spoken.say(sentence, "".join(told[number + 1 : number + 2]), like_json=like_json)
        if not self._said.count:
            for label in felt:
                if not label.isascii():  # as a word it may be all there is
                    self.spoken.say(label, "", like_json=True)

    def _let_go(self) -> None:
        """Say the foremost sentences that need not wait any more."""
        while self._flows and self._waiting and self._passed >= (3 if self.spoken.is_doubtful(self._waiting[0]) else 2):
            if words.holds_syntax(self.spoken.labels.words_of(self._waiting[0])):
                self._opened = Opening.JSON
                return
            sentence = self._waiting.popleft()
            self._passed -= 1
            self.spoken.say(sentence, self._waiting[0] if self._waiting else "", like_json=self.is_quoted)
