"""Claims whose truth is known, made from labelled rows."""
