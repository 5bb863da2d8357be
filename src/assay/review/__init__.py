"""What `assay audit` shows: the suspects, whether cleaning them pays, where the model is worse, and a page of it."""
