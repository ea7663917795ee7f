"""What outlives a connection: the history of a conversation, and who holds a token.

`server/` may import it; it imports `services/base.py` alone, and `conversation/` and it do not know each other.
"""
