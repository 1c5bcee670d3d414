"""What everything else is built from: records, stages, errors, hashes. Imports nothing of the project."""
