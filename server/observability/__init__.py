"""What the operator sees: logs, the writer behind them, incidents with an id, the command line, in which language.

Anyone in `server/` may import it; it knows the protocol, because a user is told the id of an incident.
"""
