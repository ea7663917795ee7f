"""HTTP as all engines use it that are asked over it: the session, a key, faults on the way, an answer's body.

A vendor, or a room that several vendors share, says what is asked and what an answer means; nothing here knows either.
It imports `services/base.py` and `services/engine_*.py`.
"""
