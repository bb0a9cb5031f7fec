"""Safe replacement of one file by another: temporary files, metadata, backups, exchange, what a file system can do.

It knows nothing about EXR, and imports nothing of exrbatch but errors and text.
"""
