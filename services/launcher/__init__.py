"""On one machine: an embedded Apache Kafka and the five services, started, watched and stopped together."""
