"""Limits of a run."""
