"""Text -> tokens, phrases, vectors: the features of a model. Knows nothing of probabilities."""
