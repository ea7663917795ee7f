"""The door: sockets, HTTP, tokens. The only code that knows FastAPI."""
