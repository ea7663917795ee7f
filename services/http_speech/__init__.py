"""What voices that are asked over HTTP share: requests, faults, WAV in a stream, sample rates, parts of a sentence.

A vendor's folder says what is asked for and what its refusals mean; nothing here knows a vendor. It imports
`services/engine_http/`, `services/base.py` and `services/engine_*.py`; vendors that are asked over HTTP import it.
"""
