"""One way to compare cenote with other libraries: each in an environment and a process of its own, in turns."""
