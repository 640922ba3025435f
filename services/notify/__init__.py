"""Tells teams of their actions, in the tools that they use: a queue, retries and a breaker per target."""
