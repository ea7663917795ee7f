"""What `python -m server.doctor` looks at, before users do: settings, this machine, the history, the vendors."""
