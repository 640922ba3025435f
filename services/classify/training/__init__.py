"""From the corpus in the repository to the artefact, and its figures."""
