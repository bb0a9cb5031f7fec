"""What is done with one file, as a job that any executor can run: a plan in, a report out."""
