"""Bias and activation, plain or gated, in one step: `bias_act`."""
