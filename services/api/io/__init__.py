"""The edges of the API: the database, Kafka, HTTP and HTML."""
