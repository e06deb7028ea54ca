"""Tests with every store sealed, and a search for the secrets they used in all that they left.

`-p tests.sealed.plugin` (`make test-sealed`) puts a fresh key into the environment and registers
every secret that is sealed as a canary. After the last test one search looks for all canaries: in
every file that the tests wrote, also those that they or the stores removed, and in all that was
printed, logged, or stood on a command line. A canary that is found fails the run.
"""
