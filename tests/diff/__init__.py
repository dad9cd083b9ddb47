"""Tests of `syco_data.diff`."""
