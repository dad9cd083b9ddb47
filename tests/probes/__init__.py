"""Tests of `syco_data.probes`."""
