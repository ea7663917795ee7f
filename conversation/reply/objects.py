"""Sans-IO: the tokens of one JSON object in, however it is broken; the sentences it holds out."""

from conversation.reply import names, words
from conversation.reply.joining import join_sentences
from conversation.reply.loose_json import Mark, More, Token, Word
from conversation.reply.sentences import Sentences
from services.base import Emotion

_LOOSE_COMMA = {"jp": "、", "cn": "，"}  # what a comma becomes that had looked like syntax


class _Fields:
    """What an object holds of one sentence, or of columns of them."""

    def __init__(self, said: Sentences, loose: list[str]) -> None:
        self._said = said
        self._loose = loose
        self._untold: list[int] = []  # where among the loose words the text stands if no field has it
        self.texts: dict[str, list[str]] = {}
        self.filled: set[str] = set()  # fields with a word in them
        self.columns = False
        self.index: int | None = None  # of the sentence already announced
        self.awaits_translation = False

    def add(self, name: str, text: str, *, to_last: bool) -> None:
        """One more text of a field. Empty ones keep their place in a column."""
        blank = not words.clean(text)
        if to_last and self.texts[name]:
            self.texts[name][-1] += text
        elif not blank or self.columns:
            self.texts[name].append(text)
        if not blank:
            self.filled.add(name)

    def add_untold(self, text: str) -> None:
        """A text under a name that is no field's: it is `jp` in an object that has none."""
        self._untold.append(len(self._loose))
        self._loose.append(text + "\n")

    def have_text(self) -> bool:
        return not self.filled.isdisjoint(("jp", "cn")) or ("emotion" in self.filled and bool(self._untold))

    def are_whole(self) -> bool:
        return self.filled | ({"jp"} if self._untold else set()) >= {"jp", "cn"} and not self.columns

    def text(self, name: str) -> str:
        return join_sentences(self.column(name))

    def column(self, name: str) -> list[str]:
        return [words.clean(text) for text in self.texts.get(name, ())]

    def emotion(self) -> Emotion:
        return names.emotion_of(next(iter(self.texts.get("emotion", ())), ""))

    def emotion_ahead(self) -> Emotion | None:
        return self.emotion() if "emotion" in self.filled and self.index is None and not self.columns else None

    def announce(self) -> None:
        """Start the voice before the object is whole, if all it needs is known."""
        if not self.columns and self.index is None and "jp" in self.filled and "emotion" in self.texts:
            cn = self.text("cn") or None
            self.index = self._said.say(self.text("jp"), cn, self.emotion())
            self.awaits_translation = self.index is not None and cn is None

    def end(self) -> None:
        """Say what was not said before."""
        if self._untold and "jp" not in self.filled and not self.columns:
            self.texts.setdefault("jp", [])
            for place in self._untold:
                self.add("jp", self._loose[place], to_last=False)
                self._loose[place] = ""
        if self.awaits_translation and self.index is not None:
            self._said.translate(self.index, self.text("cn") or self.text("jp"))
        elif self.index is None and self.columns:
            self._said.say_columns(self.column("jp"), self.column("cn"), self.texts.get("emotion", []))
        elif self.index is None:
            self._said.say_texts(self.text("jp"), self.text("cn"), self.emotion())


class ReplyObject:
    """An object being read: mostly one small method for each way in which a contract can be broken."""

    def __init__(self, said: Sentences, loose: list[str]) -> None:
        self._said = said
        self._loose = loose
        self.fields = _Fields(said, loose)
        self._pending: str | None = None  # a word that is a key if a colon follows
        self._key: str | None = None  # the field the next value belongs to; "" for one we do not know
        self._given = False  # that field has a value, be it an empty one
        self._untold = False  # that field is none of ours but may have the text
        self._last = ""  # the last field of ours: words that belong nowhere else are its
        self._list_depth = 0
        self._braces = 0  # open within a field's value

    def takes_no_object(self) -> bool:
        """Where a brace can only begin the next one."""
        return not self._list_depth and not self._braces and (self._key is None or self._given)

    def awaits_key(self) -> bool:
        return self._key is None or (not self._list_depth and self._given)

    def awaits_value(self) -> bool:
        return bool(self._key) and not self._given

    def awaits_jp(self) -> bool:
        return self._key == "jp" and not (self._given or self._list_depth or self._braces)

    def open_brace(self) -> bool:
        """An object where a text belongs: its words are the text. False: it is an object of its own."""
        if not self._key:
            return False
        self._braces += 1
        self._key = None
        return True

    def close_brace(self) -> bool:
        """False: it is this object's own."""
        self._drop_pending()
        if not self._braces:
            return False
        self._braces -= 1
        self._key = self._last
        return True

    def end(self) -> None:
        """What follows is another sentence; an emotion alone waits for it."""
        self._drop_pending()
        if self.fields.have_text():
            self.fields.end()
            self.fields = _Fields(self._said, self._loose)
        self._key, self._given, self._last = None, False, ""

    def receive(self, token: Token) -> None:
        match token:
            case Mark.OPEN_LIST:
                self._list_depth += 1
            case Mark.CLOSE_LIST:
                self._list_depth = max(0, self._list_depth - 1)
                self._announce()
            case Mark.COLON if self._pending is not None:
                self._begin_field(self._pending)
            case Mark.COMMA if not self._list_depth:
                self._drop_pending()
                if not self.awaits_value():
                    self._key = None
            case Word(text):
                self._read_word(text)
            case More(text):
                self._go_on(text)

    def _read_word(self, text: str) -> None:
        if words.is_contract_key(text):
            self._drop_pending()
            self._begin_field(text)
        elif self._key is None or (self.awaits_key() and names.field_name(text)):
            self._drop_pending()  # a key, also where the comma before it is missing
            self._key, self._pending = None, text
        else:
            self._add_value(text)

    def _begin_field(self, name: str) -> None:
        """The same field again: an object whose brackets were forgotten."""
        self._pending = None
        key = names.field_name(name) or ""
        if key in self.fields.filled:
            self.end()
        self._given = False
        self._untold = not (key or self._braces) and names.is_untold(name)
        if key:
            self._key = self._last = key
            self._list_depth = 0
            self.fields.texts.setdefault(key, [])
            self.fields.columns = self.fields.columns or words.is_column(name)
        else:
            self._key = self._last if self._braces else ""

    def _drop_pending(self) -> None:
        """A word that was no key: it goes on with the last text, unless it is one of the contract's own."""
        text, self._pending = (self._pending or "").strip(), None
        if not words.has_word(text) or words.is_contract_word(text):
            return
        if self._last not in _LOOSE_COMMA:
            self._loose.append(text + "\n")
            return
        self._key = self._last
        joined = self._key in self.fields.filled and not self.fields.columns
        self._add_value(_LOOSE_COMMA[self._key] + text if joined else text)

    def _add_value(self, text: str) -> None:
        self._given = True
        if text == "null":
            text = ""
        if not self._key and self._untold:
            self.fields.add_untold(text)
        elif not self._key:
            self._loose.append(text + "\n")
        elif self._key == "jp" and self.fields.index is not None:  # it is spoken already: one sentence more
            self._said.say(words.clean(text), "", self.fields.emotion())
        else:
            self.fields.add(self._key, text, to_last=self._list_depth > 1)
            self._announce()

    def _go_on(self, text: str) -> None:
        """A value went on after its closing quotation mark, perhaps up to a key whose quotation mark is missing."""
        text, key = words.split_key(text)
        if words.has_word(text):
            if self._pending is not None:
                self._pending += text
            elif self._key and not (self._key == "jp" and self.fields.index is not None):
                self.fields.add(self._key, text, to_last=True)
                self._announce()
            else:
                self._add_value(text)
        if key:
            self._drop_pending()
            self._begin_field(key)

    def _announce(self) -> None:
        if self._key == "jp" and not self._list_depth:
            self.fields.announce()
