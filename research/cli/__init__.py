"""The command line: `main` dispatches, and each command is a file that is imported when it runs."""
