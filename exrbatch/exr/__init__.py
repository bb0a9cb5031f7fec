"""THE FORMAT: the OpenEXR container, bytes in and bytes out.

No pixel is decoded here and no policy is made. May import `errors` only.
"""
