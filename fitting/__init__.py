"""Fits numbers of the package to the shipped networks; run again after one of them changed."""
