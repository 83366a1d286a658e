"""Scale rows to length one: `l2_normalize`."""
