"""The bundled sample: twelve weeks of feedback of a company that does not exist, and how it is played."""
