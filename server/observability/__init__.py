"""What the operator sees: logs, the writer behind them, and incidents with an id.

Anyone in `server/` may import it; it knows the protocol, because a user is told the id of an incident.
"""
