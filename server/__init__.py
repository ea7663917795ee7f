"""The server: what starts it, what all connections share out, and the entrances, HTTP and `/ws`.

The specification's files stand here; a room per concern stands below. Nobody imports it but the command line and the
tests.
"""
