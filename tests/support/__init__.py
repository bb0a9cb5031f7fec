"""Builders and oracles that share no code with exrbatch."""
