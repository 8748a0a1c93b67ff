"""Reaction networks: readers of files."""
