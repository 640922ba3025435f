"""Ingest's edges: HTTP, the journal on disk, the ids seen, the producer."""
