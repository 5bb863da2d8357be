# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # A version of the data set, in a notebook
#
# The file is `docs/notebooks/one_version.py`. Run it in the root of a project after `dvc repro`: as a script, in an
# editor that has `# %%` cells, or in Jupyter with [jupytext](https://jupytext.readthedocs.io).

# %%
import pandas as pd
import torch

import assay

snapshot = assay.snapshot()
samples = snapshot.to_pandas()
print(len(snapshot), "images;", "version", snapshot.digest()[:12])
print(pd.crosstab(samples["split"], samples["label"].fillna("unlabelled")))

# %% [markdown]
# ## Mistakes of the model
#
# `outputs/predictions.parquet` has a row for each image of val and test. Join it with the samples to slice it by their
# columns.

# %%
predictions = pd.read_parquet("outputs/predictions.parquet")
test = predictions[predictions["split"] == "test"].merge(samples[["id", "width", "metadata"]], on="id")
print(f"accuracy {test['quality'].mean():.3f} on {len(test)} test images")
print(test.groupby("label")["quality"].agg(["mean", "size"]).round(2))

# %% [markdown]
# The mistakes with the highest confidence come first: wrong labels in the test set, or classes that the model confuses.

# %%
mistakes = test[test["quality"] == 0].sort_values("confidence", ascending=False)
print(mistakes[["id", "label", "predicted", "confidence"]].head(5).to_string(index=False))

# %% [markdown]
# ## Changes since the last commit

# %%
difference = assay.diff(assay.snapshot("HEAD"), snapshot)
print({kind: n for kind, n in difference.counts().items() if n} or "nothing")

# %% [markdown]
# ## Train with it
#
# `assay.dataset` is a torch data set of uint8 images (3, h, w) with their class index.

# %%
train = assay.dataset("train", size=16)
images, targets = next(iter(torch.utils.data.DataLoader(train, batch_size=64)))
print(images.shape, images.dtype, [train.classes[int(k)] for k in targets[:5]])
