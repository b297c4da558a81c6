"""What all commands share: how a command is declared, its options, and how results and errors are shown."""
