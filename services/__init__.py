"""The engines: LLM, TTS, ASR and VAD. What a turn may ask of them, how one is chosen, and the vendors that answer.

It imports nothing of ours. `services/base.py` may be imported by all, the rest by `server/backend.py`, which opens
engines.
"""
