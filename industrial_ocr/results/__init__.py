"""What a reader gives: boxes, strings, characters, codes, verdicts; and drawings."""
