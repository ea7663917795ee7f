"""One connected user: what they say, what is said to them, and the order of what they ask for.

The entrances of `server/` may import it. It brings together protocol, transport, audio and conversation; engines
reach it as the protocols of `services/base.py`, opened by `server/backend.py`.
"""
