"""Tests of exrbatch.batch.workers."""
