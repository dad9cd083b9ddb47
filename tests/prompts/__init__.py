"""Tests of `syco_data.prompts`."""
