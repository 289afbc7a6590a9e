"""espeak-ng: a plain voice, and phonemes of its languages, in a process of its own."""
