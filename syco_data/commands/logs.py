"""What commands that talk to the Hub say while they work."""

import logging


def start(verbose: bool) -> None:
    """Warnings, such as an error that is tried again; verbose: every step and every request, too."""
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, format="%(name)s: %(message)s")
