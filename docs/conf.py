"""How Sphinx builds the manual: ``make docs``."""

project = "toilctl"
extensions = ["myst_parser"]
exclude_patterns = ["generate"]
html_theme = "furo"
html_title = "toilctl"
# The reference has more than one "main" and "Values": each page's headings are its own.
myst_heading_anchors = 3
