"""Dialogue scripts: text in, turns out; it makes no sound."""
