"""Doubtful characters: which, where they are kept, the page that shows them."""
