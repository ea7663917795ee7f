"""The talk itself: no socket, no vendor, no FastAPI."""
