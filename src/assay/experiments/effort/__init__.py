"""Comparison of what people might draw (masks, polygons, boxes, points, tags) at equal hours. Behind `assay effort`.

    projections.py    what would have been drawn of the same objects: mask -> polygon -> box -> point, tag
    pseudo_labels.py  what is learnt from less than the full annotation: ellipses in boxes, discs around points …
    study_data.py     the fully annotated images: those of train are annotated again, those of test measure
    schemes.py        what a scheme draws, costs and teaches, and how many images the hours allow
    features.py       feature maps of all images, computed once
    decoder.py        the quick learner of masks
    box_head.py       the quick learner of boxes
    tag_probe.py      the quick learner from tags, and of presence
    fits.py           learners trained on what a budget buys, in parallel, cached in .assay/effort
    seed_noise.py     the noise of few seeds, moderated over the schemes
    standing.py       the curves compared, their crossings, the verdict
    study.py          from a project to the result
    charts.py         plot and page
    family.py         MLflow runs

All schemes are measured on the full annotation of the same test images. A seed has one order of the train images for
all schemes: comparisons are paired. What a scheme costs is looking at each image and drawing its objects.
"""
