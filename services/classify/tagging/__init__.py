"""Probabilities -> tags, with their doubt, their themes and the words that earned them."""
