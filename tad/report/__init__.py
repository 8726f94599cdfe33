"""Step 8: run folders, tables and pictures."""
