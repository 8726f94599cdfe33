"""Step 3: candidate segments."""
