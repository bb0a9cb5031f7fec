"""Tests of exrbatch.replacing."""
