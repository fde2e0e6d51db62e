"""Settings of Sphinx: ``sphinx-build -W docs site`` writes the documentation to ``site/``."""

import sys
from pathlib import Path

from industrial_ocr import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "industrial_ocr"
author = "The industrial_ocr authors"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "job_keys"]
html_theme = "furo"
html_title = f"industrial_ocr {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
templates_path: list[str] = []
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
