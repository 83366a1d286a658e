"""Reduce the rows of each sequence to one: `segment_pool`."""
