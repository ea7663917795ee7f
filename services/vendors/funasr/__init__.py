"""FunASR's runtime: an ASR over a WebSocket to a server that somebody runs, which answers while one still speaks."""
