"""Lets `python -m toktrial` do what `toktrial` does."""

from toktrial.cli import main

main()
