"""Matrix product with a fixed weight, which a backend may lay out for itself once: `linear`."""
