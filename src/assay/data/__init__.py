"""What is held, and how it lies on disk: pool, edits, fold, snapshot, splits, ledger, embeddings."""
