"""Test-only nodes: stand-ins for files that nobody has at toy size, and counters."""

NODE_CLASS_MAPPINGS = {}
