"""Tests of `syco_data.reference`."""
