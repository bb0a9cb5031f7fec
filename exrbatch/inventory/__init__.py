"""What is in folders: sequences, their headers, and what a run would save. Nothing is changed."""
