"""Tests of exrbatch.codecs."""
