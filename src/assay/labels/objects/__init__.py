"""Audit of objects: for each box or mask the estimated probability that it is wrong, and where one is missing.

1. Places (`places.py`): the objects that a detector sees on an image, each once, and the label at each of them.
2. Suspicions (`suspicions.py`): the probability of each kind of error, on arrays: missed, spurious, swapped, moved.
3. Rows for people (`table.py`), which `listing.py` prints in a terminal and `page.py` puts on a page.
"""
