"""Tests of `syco_data.claims`."""
