"""Add a residual and normalise the sum, in one step: `residual_norm`."""
