"""Reproduction: run a commit, or an MLflow run, again after ingest, and compare every output with its record."""
