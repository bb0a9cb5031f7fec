"""Worker processes: how they are started, set up, watched and replaced."""
