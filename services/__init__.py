"""The minds, ears and voices outside: what a turn may ask of them, and the vendors that answer."""
