"""Sockets: the ASGI server, one connection and its frames, and how often somebody may come.

The session and the entrances of `server/` may import it. It knows the protocol and the limits, but no session, no
engine and no character.
"""
