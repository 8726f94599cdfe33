"""Why a detector fails, after Alwassel et al., "Diagnosing Error in Temporal Action Detectors" (DETAD), ECCV 2018."""
