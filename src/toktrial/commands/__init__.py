"""The commands of `toktrial`, a file each. Above all else but cli.py."""
