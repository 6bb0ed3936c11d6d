"""What is measured: each with real processes, free ports and a directory of its own, gone when it is closed."""
