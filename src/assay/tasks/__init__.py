"""Tasks: what a label means, and what is wanted of a model.

A task is one file with

    targets(labels, categories) -> int64 (n,)             ParamsError for a label that is no category
    class_weights(targets, classes, how) -> float32 (k,) | None
    loss(logits, targets, weights, smoothing) -> scalar tensor
    predict(model, inputs, batch, device) -> probabilities, float32 (n, k)
    scores(probabilities, targets) -> {"loss": …, "accuracy": …}       cheap, once an epoch; "loss" decides
    uncertainty(probabilities) -> float32 (n,)             1: the model cannot tell, 0: it is sure
    predict_ids(model_dir, ids, layout, batch, progress) -> Predictions
"""
