"""A Hugging Face Hub on loopback, for tests: `python -m tests.support.hub --data DIR` serves it.

Every repository is a real bare git repository (large files are real pointer files, so commits, blob ids and
tree ids are git's own); large objects lie in a store keyed by sha256. Three upload transports are served:
inline "regular" files, git-LFS and Xet (a small content-addressed store over HTTP). Requests are logged and
can be made to fail (`wire`).
"""
