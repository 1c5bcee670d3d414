"""Reviews to and from other programs: rows for calibration, Argilla, Label Studio."""
