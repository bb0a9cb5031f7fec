"""Tests of exrbatch.inventory."""
