"""What happens in a talk in; what a person sees and hears of it out."""

from chatanon_client import (
    Audio,
    AudioEnd,
    CharacterSwitched,
    ChatAnonError,
    Connected,
    Disconnected,
    Event,
    HistoryCleared,
    Interrupted,
    Reconnecting,
    Response,
    Sentence,
    Thinking,
    Unknown,
)
from client.explain import explain, explain_end, printable
from client.language import tell
from client.options import DEFAULT_TOKEN, TOKEN_VARIABLE, TRIES, Options
from client.terminal import Replies, Terminal

TOKEN_REFUSED = 4500
UNREADABLE_SOUND = ("audio_chunk", "binary")


class Display:
    """Of one talk."""

    def __init__(self, url: str, options: Options, terminal: Terminal, replies: Replies) -> None:
        self._url = url
        self._options = options
        self._terminal = terminal
        self._replies = replies

    def receive(self, event: Event) -> None:
        replies = self._replies
        match event:
            case Connected() | CharacterSwitched():
                self._enter(event)
            case Reconnecting():
                self._report_loss(event)
            case Thinking():
                replies.begin()
            case Sentence():
                replies.add_sentence(event)
            case Audio():
                replies.add_audio(event)
            case Unknown(type=kind) if kind in UNREADABLE_SOUND:
                replies.add_audio(None)
            case Interrupted():
                replies.cut()
            case AudioEnd():
                replies.end_audio()
            case Response():
                replies.finish(event)
            case HistoryCleared():
                self._terminal.show(tell("history_cleared"))
            case Disconnected():
                self._terminal.warn(tell("disconnected", why=explain("disconnected", event.reason, event.message)))
            case ChatAnonError():
                self._report_error(event)

    def _enter(self, event: Connected | CharacterSwitched) -> None:
        self._replies.character = printable(event.character_display_name or event.character)
        entered = "connected" if isinstance(event, Connected) else "switched"
        self._terminal.show(tell(entered, character=self._replies.character))

    def _report_loss(self, event: Reconnecting) -> None:
        reason = self.explain_end(event.error)
        if event.lost:
            again = "lost" if self._options.is_one_shot else "lost_say_again"
            reason = tell(again, reason=reason, count=event.lost)
        if event.lost and self._options.is_one_shot:
            self._terminal.warn(reason)
        elif event.attempt < TRIES:
            self._terminal.warn(tell("try_again_in", reason=reason, seconds=f"{event.delay_s:.1f}"))
        elif event.attempt == TRIES:
            self._terminal.warn(tell("try_for_ever", reason=reason))

    def explain_end(self, error: ChatAnonError) -> str:
        reason = explain_end(error, self._url)
        if error.close_code != TOKEN_REFUSED:
            return reason
        source = self._options.token_source
        return tell("token_came_from", reason=reason, source=source, variable=TOKEN_VARIABLE, default=DEFAULT_TOKEN)

    def _report_error(self, event: ChatAnonError) -> None:
        error = tell("error", what=explain("error", event.code, event.message))
        seconds = f"{event.retry_after_ms / 1000:.0f}"
        self._terminal.warn(tell("error_wait", error=error, seconds=seconds) if event.retry_after_ms > 0 else error)
