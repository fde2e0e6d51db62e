"""Runs the character classifier on boxes and the CRNN on strings."""
