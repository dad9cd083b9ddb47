"""Synthetic rows for all 17 sources and the reference model trained on such rows: for builds without a network."""
