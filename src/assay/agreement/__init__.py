"""Agreement of several people about the same images, their reliability, and the consensus of their judgements.

votes.py           the last judgement of each person about each image, as arrays
nominal.py         Krippendorff's alpha, Cohen's kappa
objects.py         boxes and masks: matched by IoU; their presence, overlap and classes
against_others.py  each person against the consensus of the others
resampled.py       intervals of all of these: the bootstrap over images
dawid_skene.py     right classes and confusions of people, by EM; posterior draws
likelihood.py      likelihood of the votes in that model
consensus.py       the methods to choose from
merged.py          consensus of objects: clusters, majority, medians
median_mask.py     consensus of the masks of one object
study.py           what `assay agreement` reports
"""
