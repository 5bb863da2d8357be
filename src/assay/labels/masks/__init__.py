"""The audit of masks: objects whose outline is wrong, missing, or not there.

shapes.py       what a mask alone shows: holes, pieces, necks, whether two make one
regions.py      every labelled object of an image, and what is seen beside them, with what a segmenter says of each
suspicions.py   the probability of each error, and what the label would become
"""
