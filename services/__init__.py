"""Palette's services: contracts between them, the kit any process runs on, and one package per process."""

VERSION = "0.1.0"
"""The version of this release; a test holds pyproject.toml to it."""
