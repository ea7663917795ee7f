"""One connected user: what is said to them, the order of what they ask for, and who has the floor.

The entrances of `server/` may import it. It imports what all share, transport, audio, protocol and conversation;
engines reach it as the protocols of `services/base.py`, opened by `server/backend.py`.
"""
