"""Sentences to a speech server through OpenAI's own client; what it makes of each answer.

In: {"url", "sentences": [{"key", and the fields of a request}]}
"""

import base64
import json
import sys

from openai import APIError, OpenAI


def main() -> None:
    asked = json.load(sys.stdin)
    print(json.dumps([ask(asked["url"], **sentence) for sentence in asked["sentences"]]))


def ask(url: str, key: str, **fields) -> dict:
    client = OpenAI(base_url=url, api_key=key, max_retries=0, timeout=30)
    try:
        with client.audio.speech.with_streaming_response.create(**fields) as answer:
            pieces = list(answer.iter_bytes())
            kind = answer.headers["content-type"]
        return {"sound": base64.b64encode(b"".join(pieces)).decode(), "pieces": len(pieces), "kind": kind}
    except APIError as error:
        return {
            "refused": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "param": getattr(error, "param", None),
        }


if __name__ == "__main__":
    main()
