"""What outlives a connection: the history of a talk, and who holds a token."""
