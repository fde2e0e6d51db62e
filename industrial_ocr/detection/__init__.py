"""From a picture to the boxes of its characters, and from boxes to strings."""
