"""Frames and sound as files."""
