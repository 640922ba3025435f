"""`python -m services.ingest`."""

from services.ingest.app import start

start()
