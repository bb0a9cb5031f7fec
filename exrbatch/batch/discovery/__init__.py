"""From paths to candidate files: walks, frame sequences, hard links, and the place of each file in an output tree."""
