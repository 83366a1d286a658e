"""Merge the weights of tokens with the same id: `term_max`."""
