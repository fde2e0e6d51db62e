"""Finds uncertain characters, keeps them, and shows them on a page for answers."""
