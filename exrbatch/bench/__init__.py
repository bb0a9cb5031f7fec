"""`exrbatch bench`: compressions compared on the user's own files. Measures through the same code as a real run.

May import every layer below the command line, and matplotlib in `plots.py`. Prints nothing.
"""
