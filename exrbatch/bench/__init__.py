"""`exrbatch bench`: compressions compared on the user's own files. Measures through the same floors as a real run.

May import every floor below the command line, and matplotlib in `plots.py`. Prints nothing.
"""
