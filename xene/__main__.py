"""`python -m xene` is `xene`."""

from xene.cli import command

if __name__ == "__main__":
    command()
