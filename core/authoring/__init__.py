"""What authors of plugins use: templates, checks and explanations."""
