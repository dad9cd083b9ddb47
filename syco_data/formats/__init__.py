"""What files of other people are read with, within limits."""
