"""What the Redis backend is made of. Importing it needs redis-py, and says so where it is missing."""

from zoho_tokenstore.errors import MissingDependencyError

try:
    import redis  # noqa: F401  # only to tell whether it is there
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        'Tokens in Redis need redis-py. Install it with: pip install "zoho-tokenstore[redis]".'
    ) from error
