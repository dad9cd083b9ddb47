"""`python -m syco_data.settings`: checks params.yaml, before DVC reads it for names that it puts into the graph."""

import sys

from syco_data.errors import SycoError
from syco_data.settings import load, revisions

if __name__ == "__main__":
    try:
        revisions.require_commits(load())
    except SycoError as error:
        sys.exit(f"error: {error}")
