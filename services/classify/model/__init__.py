"""Features -> probabilities of every label, by two paths, and the trained artefact."""
