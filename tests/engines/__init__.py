"""Tests of `syco_data.engines`."""
