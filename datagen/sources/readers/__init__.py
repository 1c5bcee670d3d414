"""One reader a file: bytes in, Markdown out."""
