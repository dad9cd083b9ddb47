"""Tests of `syco_data.release`."""
