"""Start, set up, watch and replace worker processes."""
