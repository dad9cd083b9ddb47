"""The commands of `python -m syco_data`, one module per family; heavy imports stand inside the functions."""
