"""What the contract says in words and its schemas cannot say."""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    """The two idempotency headers exclude each other."""
    headers = case.headers or {}
    if "Idempotency-Key" in headers and "X-Idempotency-Key" in headers:
        del headers["X-Idempotency-Key"]
