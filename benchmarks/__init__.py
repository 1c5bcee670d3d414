"""What is measured, beside a peer or a floor in the same run; the last figures are in README.md."""
