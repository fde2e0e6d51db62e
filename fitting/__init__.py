"""Fits that depend on the shipped networks; run them again after one of these has changed."""
