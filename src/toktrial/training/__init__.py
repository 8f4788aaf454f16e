"""From ids on disk to weights and metrics: the flow's fourth stage. Needs only numpy and torch."""
