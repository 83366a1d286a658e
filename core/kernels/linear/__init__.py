"""Matrix product with a fixed weight, which a backend may lay out or quantise for itself once: `linear`."""
