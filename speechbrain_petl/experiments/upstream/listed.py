"""What SpeechBrain's lists and README say of a recipe, from what ours do."""

import csv
import io

from ...recipe.method_files import HPARAMS
from ...recipe.yaml_text import header_of
from .modules import fill_in

COLUMNS = (
    "Task,Dataset,Script_file,Hparam_file,Data_prep_file,Readme_file,"
    "Result_url,HF_repo,test_debug_flags,test_debug_checks,performance"
).split(",")
FOR_PEOPLE = ("Result_url", "HF_repo", "performance")
CHECKS = "train.py,train_log.txt,log.txt,env.log,hyperparams.yaml"

EXTRA = """\
## Installing Extra Dependencies

```shell
pip install -r extra_requirements.txt
```

"""


class Listed:
    """A recipe as it is listed and described.

    Arguments
    ---------
    recipe : speechbrain_petl.experiments.upstream.recipe.Recipe
        Its files.
    """

    def __init__(self, recipe):
        self.dataset, self.methods = recipe.dataset, recipe.methods
        self.here, self.list = recipe.here, recipe.list

    def rows(self):
        """Rows for their list of recipes.

        Returns
        -------
        list of dict
            What is told of results is what our list has.
        """
        dataset, folder = self.dataset, self.dataset.recipe
        module = dataset.prepare.partition(".")[0]
        return [
            {
                "Task": dataset.task,
                "Dataset": dataset.folder,
                "Script_file": f"{folder}/train.py",
                "Hparam_file": f"{folder}/hparams/{name}.yaml",
                "Data_prep_file": f"{folder}/{module}.py",
                "Readme_file": f"{folder}/README.md",
                **self.results()[name],
                "test_debug_flags": dataset.flags,
                "test_debug_checks": f"file_exists=[{CHECKS},"
                "save/label_encoder.txt]",
            }
            for name in self.methods
        ]

    def results(self):
        """Method -> Result_url, HF_repo and performance, as our list has them.

        Returns
        -------
        dict
            Of dict of str.
        """
        rows = csv.DictReader(
            io.StringIO(self.list.read_text(encoding="utf-8"))
        )
        known = {row["Hparam_file"]: row for row in rows}
        place = f"recipes/{self.dataset.name}/{HPARAMS}"
        return {
            name: {k: known[f"{place}/{name}.yaml"][k] for k in FOR_PEOPLE}
            for name in self.methods
        }

    def readme(self):
        """The README.md, with the results that there are.

        Returns
        -------
        str
            In Markdown.
        """
        rows = ["| hyperparams file | Accuracy | Model link |", "|---|---|---|"]
        said = []
        for name in self.methods:
            about = self.results()[name]
            links = " ".join(
                f"[{what}]({about[key]})"
                for what, key in (("model", "HF_repo"), ("logs", "Result_url"))
                if about[key]
            )
            value = about["performance"].partition("=")[2] or "-"
            rows.append(f"| {name}.yaml | {value} | {links or '-'} |")
            own = (self.here / HPARAMS / f"{name}.yaml").read_text(
                encoding="utf-8"
            )
            first = header_of(own).replace("\n# ", " ").strip("# \n")
            said.append(f"- `hparams/{name}.yaml`: {first}")
        return fill_in(
            "README.txt",
            title=self.dataset.title,
            methods="\n".join(said),
            data_folder=self.dataset.data_folder,
            folds=self.dataset.folds,
            extra=EXTRA if self.dataset.requirements else "",
            results="\n".join(rows),
        )

    def missing(self):
        """Methods that have no result yet.

        Returns
        -------
        list of str
            Their names.
        """
        needed = ("Result_url", "performance")
        return [
            name
            for name, about in self.results().items()
            if not all(about[key] for key in needed)
        ]


def rows_text(rows):
    """Rows as they stand in a list of recipes.

    Arguments
    ---------
    rows : list of dict
        Of ``Recipe.rows``.

    Returns
    -------
    str
        In csv, without a header.
    """
    out = io.StringIO()
    csv.DictWriter(out, COLUMNS, lineterminator="\n").writerows(rows)
    return out.getvalue()
