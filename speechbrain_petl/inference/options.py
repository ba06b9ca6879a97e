"""What the commands that read a model, or write a file, have in common."""

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
