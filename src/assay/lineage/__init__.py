"""Code, data and revision behind a result. All calls of git and dvc are in this package."""
