"""Tests of `syco_data.validate`."""
