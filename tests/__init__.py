"""Tests mirror the folders of the package; each docstring says which promise it proves."""
