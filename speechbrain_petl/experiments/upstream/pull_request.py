"""The text of a pull request, in SpeechBrain's template."""

from string import Template

from .modules import read_text

TEMPLATE = """\
# {title}

## What does this PR do?

{text}
<details>
  <summary><b>Before submitting</b></summary>

- [ ] Did you read the [contributor guideline](https://speechbrain.readthedocs.io/en/latest/contributing.html)?
- [x] Did you make sure your **PR does only one thing**, instead of bundling different changes together?
- [x] Did you make sure to **update the documentation** with your changes? (if necessary)
- [x] Did you write any **new necessary tests**? (not for typos and docs)
- [ ] Did you verify new and **existing [tests](https://github.com/speechbrain/speechbrain/tree/develop/tests) pass** locally with your changes?
- [x] Did you list all the **breaking changes** introduced by this pull request?
- [x] Does your code adhere to project-specific code style and conventions?

</details>
"""
EMPTY = """{recipe}/hparams/{method}.yaml: performance and Result_url are empty in tests/recipes/{name}.csv. \
Run: sbpetl sweep recipes/{name} --methods {method}{folds} --data_folder={data}"""


def pull_request(branch):
    """The text, and what is missing before it can be sent.

    Arguments
    ---------
    branch : speechbrain_petl.experiments.upstream.branches.Branch
        What it is for.

    Returns
    -------
    text : str
        In Markdown. What only its author can say stays open.
    wanted : list of str
        Empty if it is ready.
    """
    text, wanted = read_text(branch.text), []
    if branch.later:
        text = branch.later.pull_request()
    if branch.recipe:
        recipe, dataset = branch.recipe, branch.recipe.dataset
        wanted = [
            EMPTY.format(
                recipe=dataset.recipe,
                method=method,
                name=dataset.name,
                folds=" --folds all" if dataset.folds else "",
                data=dataset.data_folder,
            )
            for method in recipe.listed.missing()
        ]
        needs = ", ".join(dataset.requirements)
        table = recipe.listed.readme().partition("## Results\n\n")[2]
        text = Template(text).substitute(
            title=dataset.title,
            methods=", ".join(recipe.methods),
            results=table.partition("\n\n")[0],
            requirements=f"Extra requirements: {needs}." if needs else "",
        )
    return TEMPLATE.format(title=branch.title, text=text), wanted
