"""Intake: takes feedback from contact-centre systems, masks it, journals it, and gets it into Kafka."""
