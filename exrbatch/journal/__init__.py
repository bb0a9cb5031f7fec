"""Journals: what each run did, written as it goes, and read by later runs and by commands.

A journal is a file of JSON lines. `docs/records.md` describes its records, which `--report` writes,
too.
"""
