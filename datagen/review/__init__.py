"""The page on which people read, accept, reject and correct samples, and what becomes of their decisions."""
