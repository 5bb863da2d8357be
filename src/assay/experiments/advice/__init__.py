"""What the next hours should be spent on: more labels, cleaner labels, or the model. Behind `assay advise`.

    labelled_data.py   the labelled images: train and val of the selection
    learners.py        what is trained: the model of params.yaml, or a probe on the embeddings in its place
    outcome_store.py   results of the trainings, cached in .assay/advice: a second call trains nothing
    plan.py            number of trainings that fit into the minutes given
    curve.py           power law through the metric at growing numbers of labels
    suspects.py        labels that are probably wrong, and the result of a simulated review
    noise.py           noise of seeds and of the finite val set, as joint draws
    trials.py          expected gain of the best of N settings, corrected for the choice
    options.py         the three options with their expected gains
    recommendation.py  ranking of the options, and the recommendation or what it would take
    study.py           all trainings of a study
    result.py          from a workspace to the advice
    charts.py          SVG plots

Everything is measured on val. The test set is not used: a metric that decides what to do next is no unbiased measure of
the result.
"""
