"""Measuring engines on labelled images: metrics, engines, the run and its report."""
