"""Audio of users: formats, conversion to the pcm that an ASR takes, and where speech begins and ends in it.

The session may import it. It imports the endpointing of `conversation/` and the configuration, and knows no message
and no session.
"""
