"""Which labels are wrong: every label with the probability that it is, and the class that the image looks like.

1. A linear probe on the embeddings says what an image is that it has not seen, nor one of its group (`beliefs.py`);
   so do the labels of its nearest neighbours (`neighbours.py`). The two err differently: their mean knows more.
2. A model of how labels go wrong turns these beliefs and the given labels into the probability that a label is wrong
   (`noise_model.py`): one that holds what it says, whatever share of the labels is wrong, and in whatever way.
3. Both are asked again, each label now counting as what it is believed to be, and (2) is repeated with the answers: the
   less of them, the more all errors are alike, as those mislead nobody in a certain direction.

`verdicts.py` says it in words, `payoff.py` whether cleaning is worth it.
"""
