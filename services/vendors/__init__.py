"""A folder per vendor; each engine is loaded by name, and only when it was chosen.

A vendor imports `services/base.py`, `services/engine_*.py`, its own folder, and the rooms that several share.
Nobody imports a vendor.
"""
