"""What labels there are, as teams edit them, and what may be wrong with the file."""
