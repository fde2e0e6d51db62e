"""The two ways from pictures to results, each on one screen."""
