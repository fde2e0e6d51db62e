"""Adapts the networks to one production line, from labeled pictures."""
