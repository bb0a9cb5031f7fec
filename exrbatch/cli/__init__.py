"""The command line. Each command turns its arguments into options, runs, and returns an exit code.

Only this package talks to the user and ends the process.
"""
