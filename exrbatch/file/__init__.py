"""ONE FILE: decide, recompress, verify, put in place.

May import `errors`, `exr` and `codecs`. Nothing here knows that there are other files.
"""
