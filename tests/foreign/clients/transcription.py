"""Speech to a server through a client of other hands; what it makes of each answer.

In: {"package": "openai", "funasr" or "doubao" (doubao-speech), "url", "wav": a path, "pcm": a path,
"questions": [an object with what the package's own function takes]}
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from types import ModuleType


def ask_openai(asked, question) -> dict:
    from openai import APIError, OpenAI

    client = OpenAI(base_url=asked["url"], api_key=question.pop("key"), max_retries=0, timeout=30)
    try:
        with Path(asked["wav"]).open("rb") as file:
            answer = client.audio.transcriptions.create(file=file, **question)
    except APIError as error:
        return {"refused": type(error).__name__, "status": getattr(error, "status_code", None)}
    segments = [each.text for each in getattr(answer, "segments", None) or ()]
    return {"text": answer if isinstance(answer, str) else answer.text, "segments": segments}


def ask_funasr(asked, question) -> dict:
    sys.modules["librosa"] = ModuleType("librosa")  # for files of other formats: 400 MB that nobody needs here
    from funasr_client import AsyncFunASRClient, SimpleCallback

    pcm = Path(asked["pcm"]).read_bytes()

    async def ask() -> dict:
        partials, finals = [], []
        callback = SimpleCallback(
            on_partial=lambda result: partials.append(result.text), on_final=lambda result: finals.append(result.text)
        )

        async def pieces():
            for at in range(0, len(pcm), 1920):
                yield pcm[at : at + 1920]

        client = AsyncFunASRClient(server_url=asked["url"], **question)
        try:
            await client.recognize_stream(pieces(), callback)
        finally:
            await client.close()
        return {"partials": partials, "finals": finals}

    return asyncio.run(ask())


def ask_doubao(asked, question) -> dict:
    from doubao_speech import _ws_client
    from doubao_speech.api import transcribe

    _ws_client.ASR_URL = question.pop("url")
    os.environ.update(question.pop("environment", {}))
    return {"text": transcribe(Path(asked["wav"]), **question)}


ASK = {"openai": ask_openai, "funasr": ask_funasr, "doubao": ask_doubao}


def main() -> None:
    asked = json.load(sys.stdin)
    print(json.dumps([ASK[asked["package"]](asked, question) for question in asked["questions"]]))


if __name__ == "__main__":
    main()
