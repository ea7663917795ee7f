"""A folder per vendor; each engine is loaded by name, and only when it was chosen. No vendor knows another."""
