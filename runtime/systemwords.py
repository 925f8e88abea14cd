"""What the system said of a connection that failed, in its own words: `connection refused`."""

import errno
import os
import urllib.error


def system_words(error: BaseException) -> str:
    """Say what the system said, where it said something; httpx tells only that all was tried."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, urllib.error.URLError) and isinstance(cause.reason, OSError):
            cause = cause.reason
        if isinstance(cause, OSError) and cause.strerror:
            # asyncio writes the address into its own; a look-up's number is none of the system's.
            number = cause.errno or 0
            words = os.strerror(number) if number in errno.errorcode else cause.strerror
            return words.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error)
