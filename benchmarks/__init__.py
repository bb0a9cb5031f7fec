"""Did this change make us slower? Programs that measure; RESULTS.md holds what they said and where."""
