"""Who does the jobs of a trial, and where: in this process, in others side by side, or on the machines of a cluster."""
