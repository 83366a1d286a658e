"""Attention over sequences that lie end to end, without padding: `varlen_attention`."""
