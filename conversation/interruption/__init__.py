"""Whether a user who is heard means to interrupt, is heard at all, and has finished; what of a reply had been heard.

Judgements, without any effect. `server/` and `conversation/` may import it; it imports `services/base.py` alone. The
words of each language are lists in its folders, a line each.
"""
