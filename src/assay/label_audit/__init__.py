"""Which labels are wrong: every label with the probability that it is, and the class that the image looks like.

1. A linear probe on the embeddings says what an image is that it has not seen, nor one of its group (`beliefs.py`);
   so do the labels of its nearest neighbours (`neighbours.py`). They are pooled as makes the given labels likeliest.
2. A model of how labels go wrong (`noise_model.py`) tells wrong labels from hard images as far as beliefs allow: the
   posterior of the share of wrong labels (`posterior.py`) gives it an interval, and each label a probability.
3. Where there are labels enough, probe and neighbours learn again from what was found, and (2) is repeated.
4. Second looks of people, drawn by design, say what the probabilities are worth (`measured.py`).

`judge.py` is all of it, arrays in and arrays out; `table.py` the table that is kept.
"""
