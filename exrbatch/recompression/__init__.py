"""Recompress one open EXR file.

The modules cut a file into spans of chunks, choose targets (also automatically), compress, compare,
verify and measure.
"""
