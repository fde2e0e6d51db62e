"""The face of the package, and the two ways from pictures to results."""
