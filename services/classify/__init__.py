"""Tags events: stage, areas, sentiment, intent, severity, themes, each with the words that earned it."""
