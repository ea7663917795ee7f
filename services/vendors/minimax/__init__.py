"""MiniMax T2A: a TTS over WebSocket, sentence by sentence or, with an endpoint ending in `_bidi`, clause by clause."""
