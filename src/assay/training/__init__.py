"""How a model learns and predicts: inputs, augmentation, the loop, the linear probe."""
