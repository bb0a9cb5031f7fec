"""The OpenEXR container format: header, parts, offset tables and chunks, as bytes.

This package does not decode pixels and makes no policy decisions. From the rest of
exrbatch it imports only the lowest layers.
"""
