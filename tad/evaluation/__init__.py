"""Step 7: detections against ground truth; knows nothing of models."""
