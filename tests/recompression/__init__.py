"""Tests of exrbatch.recompression."""
