"""An adapter to give away: from a finished run to a folder, and to the hub.

``sbpetl share save RUN FOLDER`` writes what a run has learned, a description
that runs no code, a model card, and what stock SpeechBrain opens: see stock.py.
``sbpetl share push FOLDER NAME/REPOSITORY`` uploads them.
"""

from ...errors import ArgumentParser
from ..options import TRUST


def main(argv):
    """The command line: ``save RUN FOLDER`` or ``push FOLDER NAME/REPOSITORY``."""
    parser = ArgumentParser(prog="sbpetl share", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    save = commands.add_parser("save", help="from a finished run to a folder")
    save.add_argument("run", help="its output_folder")
    save.add_argument("folder", help="to write")
    save.add_argument("--name", help="NAME/REPOSITORY, for the model card")
    save.add_argument("--base", help="the pretrained weights, if moved")
    save.add_argument("--trust", action="store_true", help=TRUST)
    save.add_argument(
        "--adapter_only",
        action="store_true",
        help="leave out what stock SpeechBrain opens, the whole model",
    )
    upload = commands.add_parser("push", help="from a folder to the hub")
    upload.add_argument("folder", help="that save has written")
    upload.add_argument("repository", help="NAME/REPOSITORY")
    upload.add_argument("--private", action="store_true")
    args = parser.parse_args(argv)
    from .. import share  # imports torch

    if args.command == "push":
        print(share.push(args.folder, args.repository, args.private))
        return
    folder = share.save_adapter(
        args.run,
        args.folder,
        args.name,
        args.base,
        args.trust,
        whole=not args.adapter_only,
    )
    stock = () if args.adapter_only else share.STOCK_FILES
    for name in (*share.FILES, *stock):
        print(f"{folder / name}  {(folder / name).stat().st_size:,} bytes")
