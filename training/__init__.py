"""Fine-tuning on exported JSONL. Imports nothing of datagen or curation: the files are the contract."""
