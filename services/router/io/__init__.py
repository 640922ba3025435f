"""What of the router touches Kafka or disk."""
