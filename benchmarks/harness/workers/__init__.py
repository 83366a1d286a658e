"""What runs in the environment of a peer: the loop that answers the harness, and one module per library."""
