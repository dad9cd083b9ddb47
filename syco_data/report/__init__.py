"""The report: one page, its figures and tables."""
