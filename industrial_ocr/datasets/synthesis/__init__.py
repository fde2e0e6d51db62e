"""Synthetic labeled pictures: texts, glyphs, layouts, marks, surfaces, cameras."""
