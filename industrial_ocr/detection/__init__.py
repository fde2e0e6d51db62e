"""Finds the characters of an image and links them into strings."""
