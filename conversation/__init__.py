"""The conversation itself: where utterances begin and end, who has the floor, what a turn does. No socket, no vendor.

`server/` may import it; it imports `services/base.py` alone. Most of it is sans-IO, and tested in microseconds.
"""
