"""``python -m fastroute``: the command line where no script is on the path."""

from fastroute.cli import app

if __name__ == "__main__":
    app(prog_name="fastroute")
