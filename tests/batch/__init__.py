"""Tests of exrbatch.batch."""
