"""Tests of `syco_data.commands`."""
