"""Tests of `syco_data.finetune`."""
