"""MANY FILES: find them, hand them to workers, add up how they ended.

May import `errors`, `exr`, `codecs` and `file`; nothing of a user interface.
"""
