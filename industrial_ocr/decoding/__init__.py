"""Turns candidates or log-probabilities into text and confidence: numpy only, no network."""
