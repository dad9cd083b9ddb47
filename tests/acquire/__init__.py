"""Tests of `syco_data.acquire`."""
