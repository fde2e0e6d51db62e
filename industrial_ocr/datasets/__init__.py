"""Labeled pictures: formats read and written, checks, and rendered ones."""
