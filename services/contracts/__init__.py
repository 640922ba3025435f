"""What services say to each other: events, ids, topics, bytes. Pure; imports nothing of any service."""
