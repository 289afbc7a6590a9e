"""Sound: tracks on a time line, loudness, and what the speech encoder hears."""
