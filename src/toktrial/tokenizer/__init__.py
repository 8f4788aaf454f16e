"""From documents to entries and merges: byte-level BPE, and BTM on top of a small one. The flow's second stage."""
