"""Label audit: for each label the estimated probability that it is wrong and the likeliest other class.

1. Out-of-fold beliefs of a linear probe on the embeddings (`beliefs.py`; folds keep groups whole) and of the nearest
   neighbours' labels (`neighbours.py`), mixed with the weight that maximises the likelihood of the given labels.
2. A noise model (`noise_model.py`) and its posterior (`posterior.py`): an interval of the share of wrong labels, and a
   probability for each label.
3. With enough labels, probe and neighbours are fitted again to the labels that (2) finds right, and (2) is repeated.
4. The probabilities are estimated. Answers of people to labels drawn for it measure them (`measured.py`).
5. Beside them, an outlier score of each image (`outliers.py`): whether it belongs to the data at all.

`judge.py` runs 1 to 3 on arrays; `table.py` is the table that is kept.
"""
