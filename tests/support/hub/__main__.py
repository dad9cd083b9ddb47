"""Starts the emulated Hub.

`python -m tests.support.hub --data DIR [--port N] [--token TOKEN:USER[+ORG..]:ROLE ...]`
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.hub.desk import OTHER, READER, WRITER, User
from tests.support.hub.server import serve

# Linux alone answers on all of 127.0.0.0/8; two hosts show whether a token leaks over a redirect.
CDN_HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
TOKENS = [f"{WRITER}:alice+team:write", f"{READER}:alice:read", f"{OTHER}:bob:write"]


def _user(text: str) -> tuple[str, User]:
    token, names, role = text.split(":")
    namespaces = tuple(names.split("+"))
    return token, User(namespaces[0], namespaces, role)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.hub", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of its data (default: a temporary one)")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--cdn-host", default=CDN_HOST, help="a second loopback address, for large files")
    parser.add_argument("--token", action="append", help=f"default: {' '.join(TOKENS)}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        users = dict(_user(token) for token in options.token or TOKENS)
        serve(options.data or Path(temporary), options.port, options.cdn_host, users)


if __name__ == "__main__":
    main()
