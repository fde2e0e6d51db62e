"""Measuring engines on labeled images: metrics, engines, the run and its report."""
