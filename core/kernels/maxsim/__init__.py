"""`maxsim`: late-interaction scores of one query against many documents of unlike length."""
