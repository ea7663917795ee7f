"""Questions to a chat server through a client of other hands; what it makes of each answer.

In: {"package": "openai" or "ark" (Volcengine's own), "questions": [{"url", "key", "model", and a request's fields}]}
"""

import json
import sys


def main() -> None:
    asked = json.load(sys.stdin)
    if asked["package"] == "openai":
        from openai import APIError as Refusal
        from openai import OpenAI as Client
    else:
        from volcenginesdkarkruntime import Ark as Client
        from volcenginesdkarkruntime._exceptions import ArkAPIError as Refusal
    answers = []
    for question in asked["questions"]:
        url, key = question.pop("url"), question.pop("key")
        client = Client(base_url=url, api_key=key, max_retries=0, timeout=30)
        answers.append(ask(client, question, Refusal))
    print(json.dumps(answers))


def ask(client, question, refusal) -> dict:
    """A refusal is told by the name of its exception and what that knows; an answer by its text and the rest."""
    try:
        answer = client.chat.completions.create(messages=[{"role": "user", "content": "你好"}], **question)
        return streamed(answer) if question.get("stream") else whole(answer)
    except refusal as error:
        status, code = getattr(error, "status_code", None), getattr(error, "code", None)
        return {"refused": type(error).__name__, "status": status, "code": code}


def thought_of(said) -> str:
    return getattr(said, "reasoning_content", None) or getattr(said, "reasoning", None) or ""


def whole(answer) -> dict:
    choice = answer.choices[0]
    tokens = answer.usage.total_tokens if answer.usage else None
    said = choice.message
    return {"text": said.content, "thought": thought_of(said), "ended": choice.finish_reason, "tokens": tokens}


def streamed(chunks) -> dict:
    text, thought, ended, tokens = "", "", None, None
    for chunk in chunks:
        tokens = chunk.usage.total_tokens if chunk.usage else tokens
        for choice in chunk.choices or ():
            text += choice.delta.content or ""
            thought += thought_of(choice.delta)
            ended = choice.finish_reason or ended
    return {"text": text, "thought": thought, "ended": ended, "tokens": tokens}


if __name__ == "__main__":
    main()
