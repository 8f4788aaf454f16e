"""From a source of text to documents on disk, split into training and validation: the flow's first stage."""
