"""`exrbatch bench`: compare compressions on the user's own files, with the code of a real run.

This package may import every layer below the command line, and matplotlib in `plots.py`. It prints
nothing.
"""
