"""Weights with their hashes, and networks that are ready to run."""
