"""Intake of images: the fast check for changes of the sources, and ingest into the pool."""
