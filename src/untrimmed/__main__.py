"""Run the command as `python -m untrimmed`."""

from untrimmed.cli.main import run

if __name__ == "__main__":
    run()
