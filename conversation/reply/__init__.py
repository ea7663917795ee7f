"""Pure: the text of a reply, as the LLM writes it, in; sentences with translation and emotion, and their words, out.

`conversation/` and the session may import it; it imports `services.base` alone.
"""
