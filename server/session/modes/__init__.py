"""Every way in which one user can say something: text, batch, stream and agent mode. The side of what is heard.

`server/session/session.py` and the entrances may import it. It imports the rest of the session's room (the order of
requests, the floor, the turns), and audio, protocol and conversation below it.
"""
