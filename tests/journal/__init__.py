"""Tests of `exrbatch.journal`."""
