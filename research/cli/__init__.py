"""The command line: `main` starts a command, and each command is a module that is imported when it runs."""
