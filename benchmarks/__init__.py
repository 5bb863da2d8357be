"""Benchmarks of assay: `python -m benchmarks`. Definitions: benchmarks/README.md."""
