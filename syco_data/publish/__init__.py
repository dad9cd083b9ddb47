"""Versions of a release, to the Hub and back."""
