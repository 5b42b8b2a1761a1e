"""`python -m feedbridge` and the `feedbridge` command."""


def main() -> None:
    """Run the command line."""
    from feedbridge.cli import app

    app()


if __name__ == "__main__":
    main()
