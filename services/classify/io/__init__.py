"""What of the classifier touches Kafka, disk or HTTP."""
