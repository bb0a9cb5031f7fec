"""Tests of the benchmark: what it chooses, counts, keeps and advises. No test depends on time."""
