"""Tests of `syco_data.settings`."""
