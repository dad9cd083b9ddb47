"""Tests of `syco_data.report`."""
