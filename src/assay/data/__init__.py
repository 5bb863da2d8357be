"""Data and their files: pool, edits, fold, snapshot, splits, ledger, embeddings."""
