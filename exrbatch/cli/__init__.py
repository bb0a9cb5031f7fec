"""Arguments -> options -> call -> exit code. The only place that knows a user and that exits."""
