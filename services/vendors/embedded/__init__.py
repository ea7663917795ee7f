"""Engines in this process, without key or network: a scripted LLM, a Japanese TTS, an ASR that knows phrases."""
