"""Where a result comes from: its code, data and revision. Only here are git and dvc called."""
