"""Doubao on Volcengine Ark: an LLM, streamed over HTTP."""
