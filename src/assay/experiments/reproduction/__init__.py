"""Reproduction: a commit, or a run, is run again from the door on, and every output is held against its record."""
