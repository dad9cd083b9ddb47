"""Tests of `syco_data.filter`."""
