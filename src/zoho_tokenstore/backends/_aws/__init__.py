"""What the backends on AWS share: a client, calls in bounded time, and failures mapped to our errors."""
