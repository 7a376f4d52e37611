"""Runs a script: command line, console output, progress, errors, exit codes and the processes of one run.

In: the command line and the launcher's environment. Out: a checked config, printed lines, an exit code.
Start with `cli` and `entrypoint`.
"""
