"""``python -m industrial_ocr.cli`` is ``industrial-ocr``."""

from __future__ import annotations

from industrial_ocr.cli import main

main()
