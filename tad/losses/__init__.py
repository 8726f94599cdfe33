"""Step 5: losses."""
