"""Training of detector, classifier and recogniser on rendered pictures."""
