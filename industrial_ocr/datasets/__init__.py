"""Labeled pictures: reads, writes, checks and renders them."""
