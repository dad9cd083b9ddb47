"""Tests of `syco_data.evaluate`."""
