"""The race: from one baseline, is an hour better spent on the labels, or on the model?

    answers.py       who answers what the data track asks: an annotator, or edit batches that exist
    data_track.py    a step: so many labels asked, looked at again or new; another training table
    space.py         what a trial may change
    model_track.py   a step: one trial, proposed by Optuna; other params
    course.py        both tracks, step by step, over several seeds; every training is a cell
    standing.py      where both stand after each step: curves, intervals, costs, the verdict

What makes it fair: both tracks begin with the same trainings, take equally many steps, train once in each, and after
each step stand by the model that was best on val so far. Val and test stay as they were in the baseline: no track
changes what either is measured with. Test is looked at only to report.
"""
