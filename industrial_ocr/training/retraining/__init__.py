"""Teaches a character classifier new symbols, and old ones in a new font, from a few pictures."""
