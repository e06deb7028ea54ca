"""The whole suite with every store sealed, and a search for clear secrets in all that it leaves.

`python -m tests.sealed` (`make test-sealed`) runs every test that is not marked `clear` with a fresh
key in the environment. A plugin (`recorder`) notes each secret that is sealed. Afterwards every byte
that the tests wrote to the disk is searched, also of files that they or the stores removed, and all
that was printed, logged, or stood on a command line.
"""
