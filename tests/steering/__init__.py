"""Tests of steering runs."""
