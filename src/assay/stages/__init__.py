"""The stages of dvc.yaml: `assay x` runs `stages/x.py`, with the section `x` of params.yaml."""
