"""A bot in twenty lines: it says what it is given, shows the reply as it comes and keeps the voice as reply.wav."""

import asyncio
import sys
import wave

from chatanon_client import Audio, ChatAnon, ChatAnonError, Sentence


async def main(url: str, token: str, *texts: str) -> None:
    with wave.open("reply.wav", "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))  # mono, 16 bits, 16000 Hz
        async with ChatAnon(url, token) as chat:
            for text in texts:
                async for event in chat.say(text):
                    match event:
                        case Sentence(content_jp=jp, content_cn=cn, emotion=emotion):
                            print(jp, cn, f"[{emotion}]")
                        case Audio(pcm=pcm):
                            file.writeframes(pcm)


try:
    asyncio.run(main(*sys.argv[1:]))
except ChatAnonError as error:
    sys.exit(f"{error.code}: {error.message}")
