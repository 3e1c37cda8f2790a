"""`python -m engine`: serves the engine on one address until SIGTERM or Ctrl-C."""

import argparse
import logging
import os
import socket
import sys
from contextlib import suppress

from engine.errors import StartError
from engine.learn.errors import BackboneError
from engine.processes import ONE_THREAD

_log = logging.getLogger("engine")


def main(arguments: list[str]) -> int:
    """Serves; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=8080, type=int, help="port, 0 for a free one (default: %(default)s)")
    return _serve(parser.parse_args(arguments))


def _serve(chosen: argparse.Namespace) -> int:
    # Predictions then see the very features that jobs saw, and calls at once do not fight over cores. NumPy reads this
    # when it is imported, so what needs it is imported after.
    os.environ.update(ONE_THREAD)
    os.umask(0o077)  # what the engine and its jobs keep is for their own user only
    import uvicorn

    from engine.app import build_app
    from engine.settings import read_settings
    from engine.telemetry import build_provider

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = read_settings()
        listener = _listen(chosen.host, chosen.port)
        app = build_app(settings, provider=build_provider(settings.telemetry_exporter))
    except (StartError, BackboneError) as exc:
        _log.error("%s", exc)
        return 2
    host, port = listener.getsockname()[:2]
    _log.info("The engine listens on http://%s:%d", host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",
        timeout_keep_alive=75,  # longer than clients keep theirs, so that no poll meets a connection that just closed
        timeout_graceful_shutdown=5,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has stopped in good order
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only for sockets that say they are TCP; with it every answer takes 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise StartError(f"The engine cannot listen on {host}:{port} ({exc.strerror}). Choose another --port.") from exc
    listener.listen(128)  # callers wait in line from here on, instead of being refused
    return listener


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
