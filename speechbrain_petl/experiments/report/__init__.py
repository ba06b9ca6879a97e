"""From the results of runs to a recipe's table and pictures."""

from .groups import Row, Table, make_tables
from .markdown import as_markdown
from .runs import Run, find_runs
