"""Palette's services: contracts between them, the kit any process runs on, and one package per process."""
