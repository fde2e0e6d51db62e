"""Training of the networks on rendered pictures, and their adaptation to new ones."""
