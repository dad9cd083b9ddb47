"""A data set build system for anti-sycophancy training sets."""

from syco_data.sources import SOURCES

__all__ = ["SOURCES"]
