"""From trained weights to bits per byte, samples and an account of the vocabulary: the flow's fifth stage."""
