"""From a folder of files to chunks of text whose place in the source is known."""
