"""Which prompts a model knows: how it is asked, what its scores say, and how sure that is."""
