"""From documents and a tokenizer to ids on disk, and from those to batches. The flow's third stage."""
