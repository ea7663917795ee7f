"""Replies to MiniMax through LiveKit's plugin, in pieces as an LLM writes them; the pcm that it makes of each answer.

In: {"url", "pieces", "voices": [the options of its TTS]}
"""

import asyncio
import base64
import json
import sys

import aiohttp
from livekit.agents import APIConnectOptions, APIError
from livekit.plugins.minimax import TTS


async def main() -> None:
    asked = json.load(sys.stdin)
    async with aiohttp.ClientSession() as session:
        answers = []
        for options in asked["voices"]:
            voice = TTS(base_url=asked["url"], http_session=session, **options)
            answers.append(await speak(voice, asked["pieces"]))
            await voice.aclose()
    print(json.dumps(answers))


async def speak(voice: TTS, pieces: list[str]) -> dict:
    pcm = b""
    try:
        async with voice.stream(conn_options=APIConnectOptions(max_retry=0, timeout=20)) as stream:
            for piece in pieces:
                stream.push_text(piece)
            stream.end_input()
            async for event in stream:
                pcm += bytes(event.frame.data)
    except APIError as error:
        return {"refused": type(error).__name__}
    return {"pcm": base64.b64encode(pcm).decode()}


if __name__ == "__main__":
    asyncio.run(main())
