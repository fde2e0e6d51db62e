"""Adapts the recognizer to one line, from pictures with their strings."""
