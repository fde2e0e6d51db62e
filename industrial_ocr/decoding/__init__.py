"""From candidates or log-probabilities to text and its confidence: numpy only, no model."""
