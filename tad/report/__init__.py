"""Step 8: what a run leaves behind: manifest, tables, pictures."""
