"""One open EXR file recompressed: spans of chunks, targets, comparison, verification, measurement, automatic choice."""
