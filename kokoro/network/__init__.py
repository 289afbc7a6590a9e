"""Kokoro-82M: its files, its layers, and the model."""
