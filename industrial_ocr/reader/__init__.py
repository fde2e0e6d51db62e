"""The ``Reader``, and the two pipelines from images to results."""
