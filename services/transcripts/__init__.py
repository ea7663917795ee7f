"""What an ASR wrote, as it was said: inventions out of silence, tags, script, names of languages.

It imports nothing of ours. Vendors whose models have the same habits share it; no vendor knows another.
"""
