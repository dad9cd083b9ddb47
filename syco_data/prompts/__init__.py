"""Candidate prompts: sampled claims, personas, opinions and templates."""
