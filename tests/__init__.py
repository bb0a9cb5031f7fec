"""Tests of exrbatch, in the same folders as the package.

Each docstring says which promise the test proves.
"""
