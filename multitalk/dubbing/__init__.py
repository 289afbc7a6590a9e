"""A new voice for a video that is there: its frames by time, its sound, its mouths."""
