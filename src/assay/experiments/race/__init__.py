"""The race: work on the labels against work on the model, from one baseline. Behind `assay race`.

    answers.py         source of the answers to the data track: an annotator, or existing edit batches
    data_track.py      a step of the data track: labels reviewed and added, another training table
    space.py           params that a trial may change, and their ranges
    model_track.py     a step of the model track: one trial, proposed by Optuna; other params
    training_order.py  both tracks, step by step, for several seeds; every training is a cell
    standing.py        results after each step: curves, intervals, costs, the verdict

Rules for a fair comparison: both tracks start from the same trainings, take the same number of steps, train once in
each, and keep the model that is best on val so far. Val and test are those of the baseline for both tracks. Test is
used for reports only.
"""
