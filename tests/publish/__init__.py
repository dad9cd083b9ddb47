"""Tests of `syco_data.publish`."""
