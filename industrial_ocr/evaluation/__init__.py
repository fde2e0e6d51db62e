"""Measures engines on labeled images: metrics, engines, the run and its report."""

from industrial_ocr.errors import require

require("evaluate", "scipy")
