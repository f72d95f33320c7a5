"""The module ``zmq``, or an error that says how to get it."""

try:
    import zmq
except ImportError as error:
    raise ImportError(
        "this part of zre.pyre needs pyzmq: pip install 'zre[pyre]'", name="zmq"
    ) from error

__all__ = ["zmq"]
