"""Parts of ``benchmarks/clean_print.py``: texts, fonts, pictures, engines, scores, tables."""
