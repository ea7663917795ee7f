"""What the benches share: a talk, vendors that cost little, callers in real time, a pinned server, tables and plots."""
