"""Tests of exrbatch.file."""
