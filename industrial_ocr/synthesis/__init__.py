"""Labelled pictures made from nothing: glyphs, surfaces, clutter, scenes (numpy and OpenCV only)."""
