"""Tests of exrbatch.cli."""
