"""What can go wrong beneath a client, before there is an HTTP status."""


class OutboundDenied(OSError):  # noqa: N818 (reads as the event it is; raised by whoever guards connections)
    """The outbound policy does not allow this address. The text names the address and the remedy."""


class ReplyTooLarge(OSError):  # noqa: N818 (as above)
    """The server sent more than a chat completion can be."""
