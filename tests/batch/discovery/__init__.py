"""Tests of exrbatch.batch.discovery."""
