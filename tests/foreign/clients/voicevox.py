"""Sentences to a VOICEVOX engine through `voicevox-client`; what it makes of each answer.

In: {"url", "sentences": [{"text", "speaker", and what of the query is to be changed}]}
"""

import asyncio
import base64
import json
import sys

from vvclient import Client
from vvclient.errors import HTTPException


async def main() -> None:
    asked = json.load(sys.stdin)
    async with Client(asked["url"]) as client:
        answers = [await ask(client, **sentence) for sentence in asked["sentences"]]
        version = await client.fetch_engine_version()
    print(json.dumps({"version": version, "answers": answers}))


async def ask(client, text: str, speaker: int, **changes) -> dict:
    try:
        await client.init_speaker(speaker, skip_reinit=True)
        loaded = await client.is_inited_speaker(speaker)
        query = await client.create_audio_query(text, speaker)
        query.data.update(changes)
        wav = await query.synthesis(speaker, enable_interrogative_upspeak=True)
        return {"loaded": loaded, "wav": base64.b64encode(wav).decode()}
    except HTTPException as error:
        return {"refused": error.status_code}


if __name__ == "__main__":
    asyncio.run(main())
