"""The sections of a report, by theme: each a function NAME_section that takes the result and returns blocks, or None."""
