"""What `python -m server.doctor` looks at, before users do: this machine, the ways to the vendors, each engine.

A check gives findings and stops nothing. The doctor alone imports it; it imports the backend, the configuration and
the texts.
"""
