"""Synthetic labelled pictures: texts, glyphs, layouts, marks, surfaces, cameras."""
