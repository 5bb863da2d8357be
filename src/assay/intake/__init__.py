"""What came in: the quick look at the sources, and ingest into the pool."""
