"""Chat exports: recognised by their content, read into messages, laid out as one transcript."""
