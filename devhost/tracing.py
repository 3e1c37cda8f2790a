"""W3C trace context: each invocation belongs to a trace, the caller's or a new one."""

import secrets


def new_trace() -> str:
    """Returns the traceparent of a new, sampled trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
