"""The store, the queries and commands, the page, and the watch over lag and losses."""
