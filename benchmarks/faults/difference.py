"""What a part of the campaign raises when something is not as it must be."""


class Difference(Exception):  # noqa: N818  # a finding, not a failure of the campaign
    """A result differs from the expected one. The message shows the case, and the command or the files that repeat it."""
