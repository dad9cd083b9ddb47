"""Tests of `syco_data.formats`."""
