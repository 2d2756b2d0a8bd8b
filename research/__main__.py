"""`python -m research`."""

from research.cli.main import script

if __name__ == "__main__":
    script()
