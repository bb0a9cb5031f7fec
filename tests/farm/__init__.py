"""Shards for farms."""
