"""Whose words count: events, mails, chats, surveys and conversations -> one experience and its tags."""
