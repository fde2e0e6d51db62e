"""The stages of a read, one file each; every one can be used alone."""
