"""Where the next hour should go: more labels, cleaner labels, or the model. Behind `assay advise`.

    ground.py     what there is to learn from and to measure on: the selection's train and val
    learners.py   who learns in the trials: the model of params.yaml, or a probe on the embeddings in its place
    notebook.py   what every such training came to, kept in .assay/advice: a second call trains nothing
    plan.py       how much can be tried in the minutes that were given
    curve.py      a power law through the accuracies at growing numbers of labels
    suspects.py   which labels the audit takes for wrong, and what people would find
    noise.py      the noise of seeds and of a finite val set, as draws that everything else is computed from
    trials.py     what the best of N settings is worth, the luck of being chosen taken off
    recommendation.py  the options side by side: recommend one, or say that nobody can tell, and what would tell
    study.py      all of it, from trainings to advice
    charts.py     its pictures, as SVG

Everything is measured on val. The ruler (test) is not looked at: a number that decided what to do next is no longer
an unbiased measure of what came of it.
"""
