"""Uncertain characters: which they are, where they are kept, the page that shows them."""
