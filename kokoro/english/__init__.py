"""English: from written words to phonemes."""
