"""Steering runs: what keys and other programs can ask of a run, and the socket by which they do."""
