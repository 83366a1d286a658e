"""Media: bytes behind an address, as far as the operator allows."""
