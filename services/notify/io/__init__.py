"""The outbox, the adapters and the Kafka side of notify."""
