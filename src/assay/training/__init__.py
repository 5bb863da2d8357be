"""Training and prediction of models: inputs, augmentation, the training loop, the linear probe."""
