"""Step 4: training targets and sampling."""
