"""The LLMs, TTSs and ASRs outside: what a turn may ask of them, and the vendors that answer."""
