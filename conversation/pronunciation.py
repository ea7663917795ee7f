"""Pure: a sentence in, what the synthesiser is given out."""
