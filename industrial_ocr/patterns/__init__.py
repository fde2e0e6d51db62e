"""Patterns of codes: expressions, automata, presets, check digits, charsets."""
