"""Whether a user who is heard means to interrupt, is heard at all, and has finished: judgements, without any effect.

`server/` and `conversation/` may import it; it imports `services/base.py` alone. The words of each language are lists
in its folders, a line each.
"""
