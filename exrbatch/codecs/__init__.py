"""Compress and decompress chunks; one small module for each family of compressions.

May import `errors` and `exr`. A codec knows nothing about files.
"""
