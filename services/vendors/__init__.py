"""A folder per vendor; each engine is loaded by name, and only when it was chosen.

A vendor imports `services/base.py`, `services/engine_*.py`, `services/http_speech/` and its own folder. Nobody imports
a vendor.
"""
