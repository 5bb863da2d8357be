from __future__ import annotations


def test_a_label_that_is_not_declared_is_told_on_its_image(project, draw, findings):
    project.add("a", draw(1), label="cat", split="train")
    project.add("b", draw(2), label="cta", split="train")
    found = findings("classes", classes=["cat"])
    assert [(row["id"], row["reason"]) for row in found] == [
        ("b", "labelled 'cta', which curate.classes does not declare")
    ]
    assert findings("classes") == []


def test_a_class_that_a_split_lacks_is_named(project, draw, findings):
    project.add("a", draw(1), label="cat", split="train")
    project.add("b", draw(2), label="dog", split="train")
    project.add("c", draw(3), label="dog", split="test")
    (found,) = findings("classes")
    assert (found["id"], found["reason"]) == ("", "class 'cat' has no labelled image in test")


def test_a_rare_class_is_an_issue_and_the_others_are_not(project, draw, findings):
    for n in range(12):
        project.add(f"p{n}", draw(n), label="rare" if n == 0 else "common", split="train")
    rare, common = findings("imbalance", limits={"imbalance": 0.5})
    assert (rare["is_issue"], common["is_issue"]) == (True, False)
    assert "'rare' has 1 training images, 17% of the average" in rare["reason"]
