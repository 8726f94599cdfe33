"""Step 6: scored proposals to detections."""
