"""``python -m toilctl``: the same as the program ``toilctl``."""

from toilctl.cli.app import main

if __name__ == "__main__":
    main()
