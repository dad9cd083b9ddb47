"""Rows of our own for all 17 sources, and a small model trained on them: what a build without network uses."""
