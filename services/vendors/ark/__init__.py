"""Doubao on Volcengine Ark, or any server that speaks OpenAI's chat completions: an LLM, streamed over HTTP."""
