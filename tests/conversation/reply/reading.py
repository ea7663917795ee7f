"""An LLM's text in, in any pieces; what came of it, sentence by sentence, out."""

from conversation.reply.labels import NOBODY, Speakers
from conversation.reply.parser import ReplyParser, SentenceReady, TranslationReady

Said = tuple[str, str | None, str]


def read(*deltas: str, speakers: Speakers = NOBODY) -> list[Said]:
    """jp, cn and emotion of each sentence."""
    parser, said = ReplyParser(speakers), list[Said]()
    for event in [*(event for delta in deltas for event in parser.feed(delta)), *parser.close()]:
        match event:
            case SentenceReady(_, jp, emotion, cn):
                said.append((jp, cn, emotion))
            case TranslationReady(index, cn):
                said[index] = (said[index][0], cn, said[index][2])
    return said
