"""The loop behind `assay iterate`: rounds of label, train, measure, promote.

record.py      one round, as stored in its commit message: git log is the history
outcome.py     the record of a round, from the workspace before the commit
measured.py    the model of a round against that of an earlier round, paired
waiting.py     how long a round waits for answers
stopping.py    rules that end the rounds, with their reasons
place.py       the git branch of the rounds
stages.py      runs the stages of a round by DVC
work.py        state of the rounds of one name
wording.py     the result as text, JSON and MLflow note
family.py      the rounds as MLflow runs: a parent with the learning curve, a child for each round
picture.py     plot of the learning curve
"""
