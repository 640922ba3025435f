"""How any process of Palette runs: settings, logs, metrics, HTTP edges, Kafka. Never mentions feedback."""
