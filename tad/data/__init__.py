"""Step 1: annotations and features to clips of fixed length."""
