"""Probes answered and counted."""
