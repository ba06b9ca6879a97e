"""A page to try models in: sbpetl demo MODEL [MODEL ...].

Upload a sound or record one: the labels with bars, and on its spectrogram what
has mattered. Several models are adapters on one base, which is in memory once.
"""

import socket

from ...errors import ArgumentParser, InputError
from ..options import TRUST

PORT = 7860


def main(argv):
    """The command line: MODELS and options."""
    parser = ArgumentParser(prog="sbpetl demo", description=__doc__)
    add = parser.add_argument
    add(
        "models",
        nargs="+",
        help="finished runs, adapter folders or NAME/REPOSITORY, on one base",
    )
    add("--base", help="the pretrained weights, if not where the first says")
    add("--trust", action="store_true", help=TRUST)
    add("--device", help="such as cpu or cuda")
    add("--host", default="127.0.0.1", help="0.0.0.0 for other machines, too")
    add("--port", type=int, default=PORT, help="of the page's address")
    args = parser.parse_args(argv)
    if not 0 < args.port < 2**16:
        parser.error(f"--port: {args.port} is not from 1 to {2**16 - 1}")
    _check_address(args.host, args.port)
    from ...recipe.command_line import check_device  # imports torch
    from ..adapter_set import AdapterSet
    from ..demo import make_page

    options = {}
    if args.device:
        check_device(args.device)
        options["run_opts"] = {"device": args.device}
    adapters = AdapterSet(args.base, args.trust, **options)
    for name in dict.fromkeys(args.models):
        adapters.add(name, name)
    page = make_page(adapters)
    try:
        page.launch(server_name=args.host, server_port=args.port)
    except OSError as error:
        raise InputError(f"--host={args.host} --port={args.port}: {error}")


def _check_address(host, port):
    """Refuse one that the page cannot have, before any model is loaded."""
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise InputError(f"--host={host} --port={port}: {error.strerror}")
