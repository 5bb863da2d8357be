"""Which strategy suits these data? A replay on labels that are known already. Behind `assay simulate`.

    arena.py      what is replayed: the vectors and classes of the labelled train images, and of val and test
    replay.py     one strategy with one seed: hide the labels, let it choose, fit a probe, measure; step by step
    notebook.py   what every step came to, kept in .assay/simulate: a second call computes nothing
    crew.py       replays side by side, in processes of one thread each
    network.py    the model of params.yaml in place of the probe: each step a cell, an ordinary DVC run
    curves.py     learning curves, the area under them, labels needed; as draws that carry seeds and images alike
    standing.py   every strategy beside random, and the verdict in words
    study.py      all of it, from a project to what is told
    charts.py     the picture and the page
    family.py     the runs in MLflow

What decides is measured on val; test is measured beside it and only reported. Each seed replays on another random half
of the pool, the same for every strategy: strategies are compared in pairs, and one that draws nothing at random has
seeds that differ all the same.
"""
