"""Loads images and converts them to network input."""
