"""OpenAI's chat completions, as anybody's server speaks them: what the vendors `ark` and `openai` have in common.

What servers differ in stands in servers.py, one line each. It may import what any vendor may, and no vendor.
"""
