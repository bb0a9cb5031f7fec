"""Tests of exrbatch.jobs."""
