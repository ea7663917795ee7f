"""One file per vendor and kind; each is loaded by name, and only when it was chosen."""
