"""The speed and size figures of assay: `python -m benchmarks`. What they mean: benchmarks/README.md."""
