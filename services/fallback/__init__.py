"""Several engines of a kind as one: where one fails before anything was heard of it, the next takes over in the turn.

`breaker.py` remembers who is out, `lineup.py` who is asked in which order; `llm.py`, `tts.py` and `asr.py` do it.
"""
