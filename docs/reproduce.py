"""Writes docs/reproduce.md: every published figure, its command, and ours.

> python docs/reproduce.py
"""

import csv
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

from speechbrain_petl.experiments.report.groups import make_tables
from speechbrain_petl.experiments.report.published import (
    figure_of,
    read_figures,
)
from speechbrain_petl.experiments.report.runs import find_runs
from speechbrain_petl.experiments.report.settings import defaults

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path(__file__).with_name("reproduce.md")
DATA = {  # data set of a published.csv -> folder of the recipe, data, folds
    "ESC-50": ("ESC50", "ESC-50-master", True),
    "UrbanSound8K": ("UrbanSound8k", "UrbanSound8K", True),
    "Speech Commands v2-35": (
        *("GoogleSpeechCommands", "speech_commands_v0.02", False),
    ),
    "Fluent Speech Commands": (
        *("FluentSpeechCommands", "fluent_speech_commands_dataset", False),
    ),
    "AudioSet": ("AudioSet", "audioset", False),
    "IEMOCAP": ("IEMOCAP", "IEMOCAP_full_release", True),
}
# clips of a run's epoch, epochs, runs (folds), tokens of a clip
WORK = {
    ("ESC-50", "3-1-1"): (1200, 50, 5, 590),
    ("ESC-50", "4-1"): (1600, 25, 5, 602),
    ("UrbanSound8K", "9-1"): (7859, 30, 10, 470),
    ("Speech Commands v2-35", "-"): (84843, 75, 1, 110),
    ("Fluent Speech Commands", "-"): (23132, 75, 1, 470),
}
LOGGED = {  # seconds of an epoch in the logs of github.com/YuanGongND/ast, epochs
    ("ESC-50", "ast"): (80 * 5, 25),
    ("Speech Commands v2-35", "ast"): (745, 30),
    ("AudioSet", "ast_full"): (117_800, 5),
    ("AudioSet", "ast_balanced"): (1_700, 25),
}
SECONDS = 80 / (1600 * 602)  # of a token of a clip in these logs, on ESC-50
KEYS = ("dataset", "protocol", "method", "metric")
MOA, WAV = (
    "https://arxiv.org/abs/2402.00828",
    "https://arxiv.org/abs/2312.03694",
)
FOUR = (
    "ESC-50",
    "UrbanSound8K",
    "Speech Commands v2-35",
    "Fluent Speech Commands",
)
UNREAD = [  # figures of a paper whose tables were out of reach here
    *((name, m, MOA) for name in FOUR for m in ("dense_moa", "soft_moa")),
    *(("IEMOCAP", f"wav2vec2/{m}", WAV) for m in ("bottleneck", "conformer")),
]
SETTINGS = [  # what, there, here, where
    (
        *("wav2vec 2.0 on FSC and GSC: epochs", "50", "50"),
        "hparams/train.yaml: epochs_FSC_WAV, epochs_GSC_WAV",
    ),
    (
        *("AST: epochs FSC, GSC, ESC-50, US8K, IEMOCAP", "75, 75, 50, 30, 20"),
        *("the same", "hparams/train.yaml"),
    ),
    (
        *("wav2vec 2.0: weights", "wav2vec2-base-960h", "the same"),
        "main.py: --model_ckpt_wav",
    ),
    (
        *("AST: weights", "MIT/ast-finetuned-audioset-10-10-0.4593"),
        *("the same", "main.py: --model_ckpt_AST"),
    ),
    (
        "IEMOCAP, wav2vec 2.0: 895 K and 927 K",
        "adapters and `masked_spec_embed` (895,296; 926,976), which they never use; "
        "the feature projection is frozen",
        *("adapters alone: 894,528; 926,208", "src/Wav2Vec_adapter.py"),
    ),
    (
        *(
            "adapters: width",
            "768 / `--reduction_rate_adapter`, 96 by default: 8",
        ),
        "bottleneck 12, conformer 8: the papers' parameters",
        "main.py; README's example on FSC has 64: 12",
    ),
    (
        *(
            "LoRA: scale",
            "`--alpha_lora` 8 / `--reduction_rate_lora` 64 = 0.125",
        ),
        "16 / 6; theirs at rank 12 is `{rank: 12, alpha: 1.5}`",
        "src/AST_LoRA.py: scaling",
    ),
    (
        *("mixtures: width, experts, slots", "768 / 128 = 6, 7, 1", "the same"),
        "main.py",
    ),
    (
        "optimizer",
        "AdamW, betas 0.9 and 0.98, eps 1e-6, weight decay 0.1, cosine per step",
        *("the same", "main.py"),
    ),
    (
        *("seed", "10", "1; `--seed=10`: other random numbers all the same"),
        "main.py",
    ),
    (
        *("wav2vec 2.0, full: time masking", "transformers' default, on"),
        *(
            "off; `--encoder={time_masking: 0.05}`",
            "src/Wav2Vec_adapter.py: Wav2Vec",
        ),
    ),
    (
        *(
            "AudioSet, balanced set: sampler",
            "none",
            "none in `hparams/original`",
        ),
        "ast: egs/audioset/run.sh: bal",
    ),
    (
        *("AudioSet: learning rate", "1e-5 full, 5e-5 balanced", "the same"),
        "ast: egs/audioset/run.sh, `hparams/original`",
    ),
]
OPTIONS = [  # what the released modules do, the line of yaml for it
    (
        "sequential, before: f(A(x)) + A(x)",
        'petl: {wrap: {"blocks.*.mlp": !name:speechbrain_petl.Adapter {block: '
        "!name:speechbrain_petl.Bottleneck {width: 12}, where: before, "
        'residual: around}}, train: ["norm.*"]}',
    ),
    (
        "`padding=same` of an even kernel, (k - 1) // 2 to the left: so does ours",
        'petl: {wrap: {"blocks.*.mlp": !name:speechbrain_petl.Adapter {block: '
        "!name:speechbrain_petl.ConformerConvolution {width: 8, kernel: 8}}}, "
        'train: ["norm.*"]}',
    ),
    (
        "a normalised soft mixture whose experts take normalised tokens",
        'petl: {wrap: {"blocks.*.attn": !name:speechbrain_petl.Adapter {block: '
        "!name:speechbrain_petl.SoftMoA {expert: !name:speechbrain_petl.Bottleneck "
        '{width: 6}, experts: 7, normalise: released}}}, train: ["norm.*"]}',
    ),
    (
        "Convpass with QuickGELU and dropout",
        'petl: {wrap: {"blocks.*.mlp": !name:speechbrain_petl.Adapter {block: '
        "!name:speechbrain_petl.Convpass {width: 12, activation: quick_gelu, "
        'dropout: 0.1}}}, train: ["norm.*"]}',
    ),
    ("CLS is token 0 alone", "pooling: {mode: cls, class_tokens: 1}"),
    (
        "prompts that drop the distillation token, and `class_tokens: 1` of pooling",
        "encoder: {distillation: False}",
    ),
    (
        "SpecAugment filled with 0 after normalising",
        "augment: !new:speechbrain_petl.Augment {steps: "
        "[!new:speechbrain_petl.SpecAugment {mels: 24, frames: 80, value: 0.0}]}",
    ),
]
COMING_FROM = [  # whose, their line, ours
    (
        "AST",
        "ASTModel(label_dim=50, input_tdim=512, audioset_pretrain=True)",
        'load_pretrained(AST(frames=512), "MIT/ast-finetuned-audioset-10-10-0.4593")',
    ),
    (
        "AST",
        'model.load_state_dict(torch.load("audioset_10_10_0.4593.pth"))',
        'AudioClassifier.from_hparams("audioset_10_10_0.4593.pth")',
    ),
    ("AST", "mlp_head", "NormLinear(768, 50)"),
    (
        "Hugging Face",
        "ASTForAudioClassification.from_pretrained(name)",
        'AudioClassifier.from_hparams("MIT/ast-finetuned-audioset-10-10-0.4593")',
    ),
    (
        "Hugging Face",
        "ASTFeatureExtractor()(wav, 16000)",
        "Fbank(frames=1024)(wavs)",
    ),
    (
        "PEFT",
        "get_peft_model(model, LoraConfig(r=6, lora_alpha=16, "
        'target_modules=["query", "value"]))',
        'AdaptedEncoder(AST(), wrap={"blocks.*.attn.qkv": '
        'partial(LoRA, rank=6, alpha=16, parts="qv")})',
    ),
    (
        "PETL_AST",
        "--method LoRA --reduction_rate_lora 128 --alpha_lora 8",
        'AdaptedEncoder(AST(), wrap={"blocks.*.attn.qkv": '
        'partial(LoRA, rank=6, alpha=0.375, parts="qv")})',
    ),
    (
        "PETL_AST",
        "--method adapter --adapter_block conformer --reduction_rate_adapter 96",
        'AdaptedEncoder(AST(), wrap={"blocks.*.mlp": partial(Adapter, '
        "block=partial(ConformerConvolution, width=8, kernel=31))})",
    ),
    (
        "PETL_AST",
        "--seq_or_par sequential --apply_residual True",
        'AdaptedEncoder(AST(), wrap={"blocks.*.mlp": partial(Adapter, '
        'block=Bottleneck, where="after")})',
    ),
    (
        "PETL_AST",
        "--is_adapter_ablation True --seq_or_par sequential --befafter before",
        'AdaptedEncoder(AST(), wrap={"blocks.*.mlp": partial(Adapter, '
        'block=Bottleneck, where="before", residual="around")})',
    ),
    (
        "PETL_AST",
        "Convpass_adapter",
        'Convpass(768, width=12, activation="quick_gelu", dropout=0.1)',
    ),
    (
        "PETL_AST",
        "--method prompt-tuning --is_deep_prompt True --prompt_len_prompt 25",
        'AdaptedEncoder(AST(distillation=False), wrap={"blocks.?|blocks.??": '
        "partial(Prompt, tokens=25)})",
    ),
    (
        "PETL_AST",
        "--method prefix-tuning --prompt_len_pt 24",
        'AdaptedEncoder(AST(), wrap={"blocks.*.attn": partial(Prefix, tokens=12)})',
    ),
    (
        "PETL_AST",
        "--method Soft-MoA --num_adapters 7 --normalize True",
        'AdaptedEncoder(AST(), wrap={"blocks.*.attn": partial(Adapter, block=partial('
        'SoftMoA, expert=partial(Bottleneck, width=6), normalise="released"))})',
    ),
    ("PETL_AST", "final_output: 'CLS'", 'Pooling("cls", class_tokens=1)'),
    (
        "PETL_AST",
        "FrequencyMasking after normalising",
        "SpecAugment(24, 80, value=0.0)",
    ),
]


def published():
    """All rows of the recipes' published.csv, and what is in no such file."""
    rows = []
    for path in sorted((ROOT / "recipes").glob("*/published.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    names = ("dataset", "method", "paper")
    more = {"protocol": "-", "metric": "", "percent": ""}
    return rows + [more | dict(zip(names, row)) for row in UNREAD]


def command(row):
    """What measures a figure."""
    recipe, data, folds = DATA[row["dataset"]]
    hparams = ROOT / "recipes" / recipe / "hparams"
    own = (hparams, hparams / "original")
    files = [folder / f"{row['method']}.yaml" for folder in own]
    file = next(file for file in files if file.is_file())
    where = file.relative_to(hparams)
    data = f"--data_folder=/path/to/{data}"
    if folds:
        method = where.with_suffix("")
        sweep = f"sbpetl sweep recipes/{recipe} --methods {method}"
        return f"{sweep} --folds all {data}"
    return f"python train.py hparams/{where} {data}"


def minutes(row):
    """Of training, estimated."""
    logged = LOGGED.get((row["dataset"], row["method"]))
    if logged:
        return f"{logged[0] * logged[1] / 60:,.0f} (logged)"
    protocol = next(
        (
            p
            for name, p in WORK
            if name == row["dataset"] and not row["percent"]
        ),
        row["protocol"],
    )
    work = WORK.get((row["dataset"], protocol))
    if not work or row["method"] == "pretrained":
        return "-"
    clips, epochs, runs, tokens = work
    return f"{clips * epochs * runs * tokens * SECONDS / 60:,.0f}"


@cache
def tables(recipe):
    """Of the runs that are here, and the figures that they may stand beside."""
    if not (recipe / "results").is_dir():
        return [], []
    runs, problems = find_runs(recipe / "results")
    found = make_tables(runs, problems, defaults(recipe)[1])
    return found, read_figures(recipe)


def ours(row):
    """The mean of the runs that are here, by the rules of a report, or "not run"."""
    recipe = ROOT / "recipes" / DATA[row["dataset"]][0]
    found, figures = tables(recipe)
    for one in found:
        for line in one.rows:
            figure = figure_of(line, one, figures)
            if figure and all(row[k] == getattr(figure, k) for k in KEYS):
                mean = (
                    one.scale(row["metric"]) * line.statistics(row["metric"])[0]
                )
                done, whole = len(line.runs), line.complete
                of = "" if done == whole else f", {done} of {whole} runs"
                return f"{mean:.2f}{of}"
    return "not run"


def table(head, rows):
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(c).replace("|", "\\|") for c in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def averages(rows):
    """method -> mean over the four data sets of the first paper."""
    found = {}
    for row in rows:
        if row["dataset"] in FOUR and row["paper"] == WAV:
            found.setdefault(row["method"], []).append(Decimal(row["percent"]))
    cents = Decimal("0.01")
    return [
        (method, (sum(values) / 4).quantize(cents, ROUND_HALF_UP))
        for method, values in found.items()
        if len(values) == 4
    ]


def figure(row):
    """What is published."""
    if not row["percent"]:
        return f"in [the paper]({row['paper']})"
    return f"{row['metric']} [{row['percent']}]({row['paper']})"


def page():
    """The text of the page."""
    rows = published()
    figures = [
        [
            *(row["dataset"], row["protocol"], row["method"]),
            figure(row),
            *(ours(row), minutes(row), f"`{command(row)}`"),
        ]
        for row in rows
    ]
    head = [
        "data",
        "protocol",
        "method",
        "published",
        "ours",
        "minutes",
        "command",
    ]
    text = (Path(__file__).parent / "reproduce.txt").read_text(encoding="utf-8")
    parts = {
        "$FIGURES": table(head, figures),
        "$AVERAGES": table(["method", "mean of the four"], averages(rows)),
        "$SETTINGS": table(
            ["setting", "there", "here", "where it says so"], SETTINGS
        ),
        "$OPTIONS": table(
            ["the released code", "the line of yaml"],
            [[what, f"`{line}`"] for what, line in OPTIONS],
        ),
        "$COMING_FROM": table(
            ["you come from", "there", "here"],
            [[who, f"`{a}`", f"`{b}`"] for who, a, b in COMING_FROM],
        ),
    }
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
