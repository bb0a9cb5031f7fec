"""Shards: one job cut into parts that any farm can run, on any host, any number of times.

A plan is a folder with a list of files for each shard, and everything that a host needs to know to
run one. Nothing here queues, distributes or retries: farms do that.
"""
