"""How config.yaml, credentials.py and the environment are read; `server/config.py` says what may be in them.

Only `server/config.py` and the starting of the server import it; it imports nothing of ours.
"""
