"""Step 2: networks."""
