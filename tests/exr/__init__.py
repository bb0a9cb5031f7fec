"""Tests of exrbatch.exr."""
