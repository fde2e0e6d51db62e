"""Teaches a classifier new symbols, and known ones in a new font, from a few pictures."""
