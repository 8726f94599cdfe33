function drawDiagnosis() {}
