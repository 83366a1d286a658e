"""Hooks: what many plugins may answer, called one by one, each guarded."""
