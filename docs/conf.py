"""Sphinx: the pages are Markdown (MyST), the reference comes from the docstrings."""

from importlib.metadata import version as version_of

project = "tinygrad_cnn"
author = "The tinygrad_cnn developers"
copyright = "The tinygrad_cnn developers"
version = release = version_of("tinygrad-cnn")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"tinygrad_cnn {release}"

myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
