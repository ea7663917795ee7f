"""What ASRs over a WebSocket share: the line, an utterance that is sent and heard at once, what has become of it.

A vendor's folder says what its frames are and what its refusals mean; nothing here knows a vendor. It imports
`services/base.py`; vendors whose ASR is asked over a WebSocket import it.
"""
