"""What is written is whole or not there, whenever the process is killed."""

import json
import os


def write_json(path, tree):
    """Write a json file, and its folder if that is missing.

    Arguments
    ---------
    path : str
        The file. Other runs may write it at the same time.
    tree : dict
        What json can hold.

    Example
    -------
    >>> path = str(getfixture("tmp_path") / "save" / "train.json")
    >>> write_json(path, {"a": {"label": "dog"}})
    >>> os.listdir(os.path.dirname(path))
    ['train.json']
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    part = f"{path}.{os.getpid()}.part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump(tree, file, indent=1)
    os.replace(part, path)
