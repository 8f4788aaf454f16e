"""The sections of a report, one file each: a function `section` that takes the result and returns blocks."""
