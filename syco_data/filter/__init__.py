"""Which prompts a model knows."""
