"""Property tests.

``HYPOTHESIS_PROFILE=thorough`` runs many more examples of each, for an evening instead of seconds.
"""
