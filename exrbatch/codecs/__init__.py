"""CHUNKS: packed bytes <-> raw bytes, one small module a packer.

May import `errors` and `exr`. A codec knows nothing of files.
"""
