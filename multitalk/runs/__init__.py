"""Runs: finished windows on disk, and what is told of a run."""
