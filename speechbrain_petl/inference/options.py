"""What the commands that read a model, or write a file, have in common."""

from pathlib import Path

from ..data.writing import make_folder
from ..errors import InputError

BATCH = 16  # windows at a time
TRUST = "build classes of any package that the model names: of your own only"


def add_model(parser):
    """Add the options that say which model to load.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of a command.
    """
    add = parser.add_argument
    add("model", help="a run, an adapter, NAME/REPOSITORY or an AST's weights")
    add("--base", help="the pretrained weights, if not where MODEL says")
    add("--trust", action="store_true", help=TRUST)


def check_file(path, option=""):
    """Refuse a file that could not be written, before any long work.

    Arguments
    ---------
    path : str or os.PathLike
        The file.
    option : str
        Its option on the command line, for the error message.
    """
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise InputError(f"{option}{path}: there is no such folder")
    if Path(path).is_dir():
        raise InputError(f"{option}{path} is a folder: name a file")
    make_folder(folder, option)
