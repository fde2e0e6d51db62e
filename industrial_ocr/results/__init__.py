"""Results of a reader: boxes, strings, characters, codes, verdicts; and drawings of them."""
