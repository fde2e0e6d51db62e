"""Measuring engines on labelled images: datasets, metrics, engines, the run and its report."""
