"""Releases as folders: tables, card, manifest, and the proof that they are whole."""
