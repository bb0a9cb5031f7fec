"""The OpenEXR container format: header, parts, offset tables and chunks, as bytes.

This package does not decode pixels and makes no policy decisions. May import `errors` only.
"""
