"""The data sets of SpeechBrain's that recipes are made for."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dataset:
    """How a recipe of SpeechBrain's prepares its data, and how ours goes with it.

    Arguments
    ---------
    name : str
        Of the recipe here.
    folder : str
        Of the data set there.
    place : str
        Folder of the recipe there, from the data set's on.
    title : str
        For people.
    task : str
        As the lists of recipes call it.
    prepare : str
        Their module and function, "module.function".
    arguments : dict
        Argument of the function -> key of the yaml.
    data : str
        Lines of the yaml.
    label : str
        Of an entry of a manifest.
    path : str
        Python for the path of a clip.
    data_folder : str
        Of an example.
    flags : str
        With which their tests run it, on their samples.
    reader : str
        Of ``DynamicItemDataset``.
    folds : str
        What the README says of folds.
    requirements : tuple of str
        What the preparation imports beside SpeechBrain.
    """

    name: str
    folder: str
    place: str
    title: str
    task: str
    prepare: str
    arguments: dict
    data: str
    label: str
    path: str
    data_folder: str
    flags: str
    reader: str = "from_json"
    folds: str = ""
    requirements: tuple = field(default=())

    @property
    def recipe(self):
        """The folder of the recipe there."""
        return f"recipes/{self.folder}/{self.place}"


SIZE = (
    "--use_pretrained False --ast_size [32,2,2] --frames 64 "
    "--number_of_epochs 2 --batch_size 2"
)
MANIFESTS = {
    f"save_json_{s}": f"{s}_annotation" for s in ("train", "valid", "test")
}
FOLDS = {f"{s}_fold_nums": f"{s}_fold_nums" for s in ("train", "valid", "test")}
SAME = ("data_folder", "audio_data_folder", "skip_manifest_creation")
OF_FOLDS = {**dict.fromkeys(()), **{k: k for k in SAME}, **MANIFESTS, **FOLDS}
PATHS = """\
data_folder: !PLACEHOLDER # e.g., {place}
{audio}train_annotation: !ref <save_folder>/train.json
valid_annotation: !ref <save_folder>/valid.json
test_annotation: !ref <save_folder>/test.json
"""
DATASETS = [
    Dataset(
        name="ESC50",
        folder="ESC50",
        place="classification/ast",
        title="ESC-50",
        task="SoundClassification",
        prepare="esc50_prepare.prepare_esc50",
        arguments=OF_FOLDS,
        data=PATHS.format(
            place="/path/to/ESC-50-master",
            audio="audio_data_folder: !ref <data_folder>/audio\n",
        )
        + "train_fold_nums: [1, 2, 3]\nvalid_fold_nums: [4]\n"
        "test_fold_nums: [5]\nskip_manifest_creation: False\n"
        "out_n_neurons: 50 # classes; 10 for ESC-10",
        label="class_string",
        path='os.path.join(hparams["audio_data_folder"], wav)',
        data_folder="/path/to/ESC-50-master",
        flags=f"--data_folder tests/samples/ESC50 --out_n_neurons 3 {SIZE}",
        folds="The result of ESC-50 is the mean over its five folds: turn "
        "`--train_fold_nums`,\n`--valid_fold_nums` and `--test_fold_nums`.",
        requirements=("pandas",),
    ),
]
