"""Limits of a run: until when, at which hours, how many failures, and how many bytes a second."""
