"""The data sets of SpeechBrain's that recipes are made for."""

from dataclasses import dataclass

SIZE = (
    "--use_pretrained False --ast_size [32,2,2] --frames 64 "
    "--number_of_epochs 2 --batch_size 2"
)
ANNOTATIONS = """\
train_annotation: !ref <save_folder>/train.{ending}
valid_annotation: !ref <save_folder>/valid.{ending}
test_annotation: !ref <save_folder>/test.{ending}
skip_prep: False
"""
SPLITS = ("train", "valid", "test")
MANIFESTS = {f"save_json_{split}": f"{split}_annotation" for split in SPLITS}
FOLDS = dict.fromkeys(f"{split}_fold_nums" for split in SPLITS)
WORDS = """\
words_wanted: [
    backward, bed, bird, cat, dog, down, eight, five, follow, forward, four, go,
    happy, house, learn, left, marvin, nine, "no", "off", "on", one, right, seven,
    sheila, six, stop, three, tree, two, up, visual, wow, "yes", zero
]
"""


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
        Argument of the function -> key of the yaml, None for the same.
    data : str
        Lines of the yaml.
    label : str
        Of an entry of a manifest.
    data_folder : str
        Of an example.
    samples : str
        Flags with which their tests run it, on their samples.
    classes : str
        How many, and what they are.
    path : str
        Python for the path of a clip.
    takes : str
        What of an entry the path is made of.
    ending : str
        Of the manifests, json or csv.
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
    data_folder: str
    samples: str
    classes: str
    path: str = "wav"
    takes: tuple = ("wav",)
    ending: str = "json"
    folds: str = ""
    requirements: tuple = ()

    @property
    def recipe(self):
        """The folder of the recipe there."""
        return f"recipes/{self.folder}/{self.place}"

    @property
    def flags(self):
        """Those of the row in their list."""
        return f"{self.samples} {SIZE}"

    @property
    def lines(self):
        """All lines of the yaml about the data."""
        first = f"data_folder: !PLACEHOLDER # e.g., {self.data_folder}\n"
        manifests = ANNOTATIONS.format(ending=self.ending)
        return f"{first}{manifests}{self.data}out_n_neurons: {self.classes}"


def _theirs(classes, ending="json", dev="ASR_dev", folder="tests/samples/ASR"):
    """Flags that take the clips and manifests of their samples."""
    place = "tests/samples/annotation"
    return (
        f"--data_folder={folder} --skip_prep=True --out_n_neurons={classes} "
        f"--train_annotation={place}/ASR_train.{ending} "
        f"--valid_annotation={place}/{dev}.{ending} "
        f"--test_annotation={place}/{dev}.{ending}"
    )


DATASETS = [
    Dataset(
        name="ESC50",
        folder="ESC50",
        place="classification/ast",
        title="ESC-50",
        task="SoundClassification",
        prepare="esc50_prepare.prepare_esc50",
        arguments={
            **dict.fromkeys(("data_folder", "audio_data_folder")),
            **MANIFESTS,
            **FOLDS,
        },
        data="audio_data_folder: !ref <data_folder>/audio\n"
        "train_fold_nums: [1, 2, 3]\nvalid_fold_nums: [4]\n"
        "test_fold_nums: [5]\n",
        label="class_string",
        path='os.path.join(hparams["audio_data_folder"], wav)',
        data_folder="/path/to/ESC-50-master",
        samples="--data_folder tests/samples/ESC50 --out_n_neurons 3",
        classes="50 # classes; 10 for ESC-10",
        folds="The result of ESC-50 is the mean over its five folds: turn "
        "`--train_fold_nums`,\n`--valid_fold_nums` and `--test_fold_nums`.",
        requirements=("pandas",),
    ),
    Dataset(
        name="UrbanSound8k",
        folder="UrbanSound8k",
        place="SoundClassification/ast",
        title="UrbanSound8K",
        task="SoundClassification",
        prepare="urbansound8k_prepare.prepare_urban_sound_8k",
        arguments={
            **dict.fromkeys(("data_folder", "audio_data_folder")),
            **MANIFESTS,
            **FOLDS,
        },
        data="audio_data_folder: !ref <data_folder>/audio\n"
        "train_fold_nums: [1, 2, 3, 4, 5, 6, 7, 8]\nvalid_fold_nums: [9]\n"
        "test_fold_nums: [10]\n",
        label="class_string",
        path="os.path.normpath(\n"
        '    os.path.join(hparams["audio_data_folder"], f"fold{fold}", wav)\n)',
        takes=("wav", "fold"),
        data_folder="/path/to/UrbanSound8K",
        samples=_theirs(2, folder="../")
        + " --audio_data_folder=tests/samples/ASR",
        classes="10 # classes",
        folds="The result of UrbanSound8K is the mean over its ten folds: turn "
        "`--train_fold_nums`,\n`--valid_fold_nums` and `--test_fold_nums`, and "
        "never validate on the fold of the test.",
        requirements=("pandas",),
    ),
    Dataset(
        name="GoogleSpeechCommands",
        folder="Google-speech-commands",
        place="ast",
        title="Google Speech Commands v2",
        task="Command_recognition",
        prepare="prepare_GSC.prepare_GSC",
        arguments=dict.fromkeys(
            (
                *("data_folder", "save_folder", "validation_percentage"),
                *("testing_percentage", "percentage_unknown"),
                *("percentage_silence", "words_wanted"),
            )
        ),
        data="validation_percentage: 10\ntesting_percentage: 10\n"
        "percentage_unknown: 0\npercentage_silence: 0\n" + WORDS,
        label="command",
        data_folder="/path/to/GSC",
        samples=_theirs(1, "csv", dev="ASR_train"),
        classes="35 # words",
        ending="csv",
        requirements=("pandas",),
    ),
    Dataset(
        name="FluentSpeechCommands",
        folder="fluent-speech-commands",
        place="classification/ast",
        title="Fluent Speech Commands",
        task="SLU",
        prepare="prepare.prepare_FSC",
        arguments=dict.fromkeys(("data_folder", "save_folder")),
        data="",
        label="semantics",
        data_folder="/path/to/fluent_speech_commands_dataset",
        samples=_theirs(1, "csv", dev="ASR_train"),
        classes="31 # intents",
        ending="csv",
        requirements=("pandas",),
    ),
    Dataset(
        name="IEMOCAP",
        folder="IEMOCAP",
        place="emotion_recognition/ast",
        title="IEMOCAP",
        task="Emotion_recognition",
        prepare="iemocap_prepare.prepare_data",
        arguments={
            "data_original": "data_folder",
            **MANIFESTS,
            **dict.fromkeys(("different_speakers", "test_spk_id", "seed")),
        },
        data="different_speakers: True\ntest_spk_id: 1 # 1 to 10\n",
        label="emo",
        data_folder="/path/to/IEMOCAP_full_release",
        samples=_theirs(4),
        classes="4 # emotions",
        folds="The result is the mean over the ten speakers, "
        "`--test_spk_id` from 1 to 10.",
    ),
]
