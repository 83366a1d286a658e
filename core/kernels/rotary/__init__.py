"""Rotate the components of queries and keys by their positions: `rotary`."""
