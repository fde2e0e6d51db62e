"""Turns expressions and word lists into automata, and matches texts with them."""
