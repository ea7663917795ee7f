"""What several ears have in common below their vendors: inventions out of silence, script, tags, names of languages."""
