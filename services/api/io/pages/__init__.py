"""The pages for people, a module per room; `routes` is their table of contents."""
