"""Process many files: find them, hand them to workers, and add up the results.

May import `jobs` and the layers below it, but nothing of a user interface.
"""
