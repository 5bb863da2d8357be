"""The loop behind `assay iterate`: rounds of label, train, measure, promote; when to stop; the report.

record.py      one round, as a commit's message holds it: git log is the history
measured.py    a round's model against the one of an earlier round, on the same test images
stopping.py    rules that end the rounds, each with what it stands on
family.py      the rounds in MLflow: a parent with the learning curve, a child each
picture.py     the learning curve
"""
