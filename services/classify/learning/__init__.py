"""What an organisation teaches: labels people gave and a taxonomy of its own in, a model and its judgement out."""
