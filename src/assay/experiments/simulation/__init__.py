"""Comparison of selection strategies by replay on labels that exist already. Behind `assay simulate`.

    replay_data.py  data of the replay: embeddings and classes of the labelled images of train, val and test
    replay.py       one strategy with one seed: hide the labels, let it choose, fit a probe, measure; step by step
    step_store.py   results of the steps, cached in .assay/simulate: a second call computes nothing
    workers.py      replays in parallel, in processes with one thread each
    network.py      the model of params.yaml in place of the probe: each step is a cell
    curves.py       learning curves, areas under them, labels needed; with draws over seeds and images
    standing.py     every strategy against `random`, and the verdict
    study.py        from a project to the result
    charts.py       plot and page
    family.py       MLflow runs

The verdict is based on val; test is only reported. Each seed replays on another random half of the pool, the same for
every strategy: comparisons are paired, and deterministic strategies vary between seeds too.
"""
