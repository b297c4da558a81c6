"""The pages below docs/reference, made of the code: ``python -m docs.generate`` writes them, a module per page."""
