"""Speed and memory against length, other libraries and other ways to run a trial: what `make bench` measures."""
