"""Sphinx: the pages are Markdown (MyST), the reference comes from the docstrings."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # reference.py

project = "tinygrad_cnn"
author = "The tinygrad_cnn developers"
copyright = "The tinygrad_cnn developers"
version = release = version_of("tinygrad-cnn")

extensions = ["myst_parser", "sphinx.ext.autodoc", "reference"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"tinygrad_cnn {release}"

myst_heading_anchors = 3
add_module_names = False
autodoc_member_order = "bysource"
autodoc_type_aliases = {name: name for name in ("DTypeLike", "ArrayLike", "Array", "SizeLike")}
