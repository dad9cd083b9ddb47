"""Tests of `syco_data.hub`."""
