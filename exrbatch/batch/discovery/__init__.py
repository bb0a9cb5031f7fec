"""Find candidate files from paths.

This covers walks, frame sequences, hard links, and the place of each file in an output tree.
"""
