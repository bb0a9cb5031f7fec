"""Programs that measure whether a change made exrbatch slower. RESULTS.md has their results."""
