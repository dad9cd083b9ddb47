"""The Hub: publishing, pulling, and what to do when the way to it fails."""
