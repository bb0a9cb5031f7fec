"""Jobs: what to do with one file. Any executor can run a job, and each job returns a report."""
