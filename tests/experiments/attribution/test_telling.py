"""The sentence of an attribution: points, and the interaction where it is what matters."""

from __future__ import annotations

from assay.experiments.attribution.wording import sentence


def effect(value, half, **more):
    verdict = "can't tell" if abs(value) <= half else "helped" if value > 0 else "hurt"
    return {"value": value, "low": value - half, "high": value + half, "verdict": verdict, **more}


def result(data, model, half=0.01):
    """data: (with A's model, with B's); model: (with A's data, with B's)."""
    sides = (("data", "model", data), ("model", "data", model))
    given = [effect(v, half, player=p, other=o) for p, o, values in sides for v in values]
    held = {
        "shares": [effect(sum(data) / 2, half, player="data"), effect(sum(model) / 2, half, player="model")],
        "interactions": [effect(data[1] - data[0], half, players=("data", "model"), conditional=given)],
        "total": effect(data[0] + model[1], half),
    }
    return {"primary": "accuracy", "metrics": {"accuracy": held}}


def test_an_interaction_that_was_told_is_in_the_sentence():
    assert sentence(result((0.086, 0.001), (0.044, -0.042))) == (
        "accuracy +4.4 points [+3.4, +5.4] from A to B: data +4.3 points [+3.3, +5.3] (helped), model +0.1 points "
        "[−0.9, +1.1] (can't tell); but these are means, and data and model depend on each other (−8.5 points "
        "[−9.5, −7.5]): data +8.6 with A's model and +0.1 with B's, model +4.4 with A's data and −4.2 with B's"
    )


def test_one_that_was_not_is_not():
    assert sentence(result((0.05, 0.045), (0.02, 0.015))).endswith("model +1.8 points [+0.8, +2.8] (helped)")
