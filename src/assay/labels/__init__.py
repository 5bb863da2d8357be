"""Label audit: for each label the estimated probability that it is wrong and the likeliest other class.

1. Class probabilities out of fold, called beliefs: of a linear probe on the embeddings (`beliefs.py`; folds keep
   groups whole) and of the labels of the nearest neighbours (`neighbours.py`), mixed with the weight that maximises
   the likelihood of the given labels.
2. A noise model (`noise_model.py`) and its posterior (`posterior.py`): an interval of the share of wrong labels, and a
   probability for each label.
3. With enough labels, probe and neighbours are fitted again to the classes that (2) estimates, and (2) is repeated.
4. Steps 1 to 3 estimate. Labels that people review at random points of the scale calibrate it (`measured.py`).
5. An outlier score of each image (`outliers.py`), independent of its label.

`judge.py` runs 1 to 3 on arrays; `table.py` makes the table that is written.
"""
