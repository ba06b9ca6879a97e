"""The table of bad values: every option of every command, and what it cannot be.

A value of none is left out; what SpeechBrain or yaml takes rightly (a large
number of epochs, a rate of 0) is no bad value.
"""

NAN, WORD = ".nan", "many"
COUNT = ("0", "-1", "1.5", NAN, WORD, "null", "[1]", "{a: 1}", "True")
SIZE = ("-1", "1.5", NAN, WORD, "[1, 2]")  # 0 or null may mean none
RATE = (NAN, ".inf", "-1", "fast", "null", "[0.1]", "True")
FLAG = ("2", "maybe", "null", "[True]")
# option of a yaml -> values that it cannot have
RECIPE = {
    "seed": ("1.5", "one", NAN, "null", "-1", "1e30", "4294967296", "[1]"),
    "epochs": COUNT,
    "batch_size": COUNT,
    "lr": RATE,
    "weight_decay": (NAN, "-1", "much", "null"),
    "num_workers": ("-1", "1.5", "many", "null"),
    "frames": COUNT,
    "mels": (*COUNT, "100000"),
    "mean": (NAN, "loud", "null"),
    "std": ("0", NAN, "-1", "loud", "null"),
    "ast_size": (
        *("0", "huge", "[32, 2]", "[32, 2, 3]", "[-32, 2, 2]", "[32, 0, 2]"),
        *("[32, 2, 0]", "[a, b, c]", "null", "{a: 1}"),
    ),
    "source": ("/nowhere/weights.pt", "12", "[a]", "{a: 1}", "README.md", "./"),
    "data_folder": ("/nowhere", "/dev/null", "/", "null", "12", "[a]"),
    "output_folder": ("/dev/null", "/dev/null/run", "/proc/run", "null", "[a]"),
    "result_file": ("/dev/null/result.json", "/proc/result.json", "/", "12"),
    "labels_file": ("/dev/null/labels.txt", "/proc/labels.txt", "/", "null"),
    "logger": ("wnadb", "12", "[tensorboard, x]", "{a: 1}"),
    "shots": ("0", "-1", "1.5", WORD, NAN),
    "cache": ("froze", "12", "[a]", "{a: 1}"),
    "fold": ("0", "-1", "1.5", "99", WORD, "null", NAN),
    "protocol": ("2-2", "0", "null", "[a]"),
    "esc10": FLAG,
    "download": FLAG,
    "group": ("nobody", "0", "null"),
    "method": ("null", "[a]"),
    "pooling": ("!new:speechbrain_petl.Pooling {mode: most}", "null", "5"),
    "classifier": (
        "null",
        "5",
        "!name:torch.nn.Nothing",
        "!name:os.getpid",
        "!name:torch.nn.Linear {foo: 1}",
        "!name:torch.nn.Conv2d",
        "!name:torch.nn.Linear {bias: x, dtype: y}",
        "!name:torch.nn.ReLU",
    ),
    "opt_class": ("null", "5", "!name:torch.optim.Nothing", "{lr: x}"),
    "loader": ("{foo: 1}", "{batch_size: 0}", "null", "{num_workers: -1}"),
    "brain": ("{foo: 1}", "null", "{average: 0}", "{test_on: fest}"),
    "modules": ("{pooling: null}", "null", "{fbank: null}", "{fbank: 5}", "5"),
    "checkpointer": ("null", "{checkpoints_dir: /dev/null}"),
    "augment": (
        "!new:speechbrain_petl.Augment {steps: 5}",
        "{steps: [!new:speechbrain_petl.SpecAugment {mels: -1, frames: 1}]}",
        "null",
    ),
    "petl": (
        "{wrap: {'nothing.*': !name:speechbrain_petl.LoRA {rank: 2}}}",
        "{wrap: {'blocks.*.attn.qkv': !name:speechbrain_petl.LoRA {rank: 0}}}",
        "{wrap: {'blocks.*.attn.qkv': !name:speechbrain_petl.LoRA {rank: -1}}}",
        "{wrap: {'blocks.*.attn.qkv': !name:speechbrain_petl.LoRA {rank: x}}}",
        "{wrap: {'blocks.*.attn.qkv': !name:speechbrain_petl.LoRA {rnk: 2}}}",
        "{wrap: {'blocks.*': !name:speechbrain_petl.LoRA {rank: 2}}}",
        "{wrap: {'*': !name:speechbrain_petl.Nothing {}}}",
        "{wrap: [a]}",
        "{wrap: 5}",
        "{train: [nothing]}",
        "{train: 5}",
        "{trian: [norm.*]}",
        "null",
        "5",
    ),
    # of one recipe or two
    "train_set": ("half", "0", "null"),
    "valid_clips": ("-1", "1.5", "9999999", WORD),
    "clips_per_epoch": ("0", "-1", "1.5", WORD),
    "clips_folder": ("/nowhere", "12"),
    "average": COUNT[:5],
    "task": ("0", "-1", "13", WORD, "null"),
    "test_folder": ("/nowhere",),
    "metadata": ("nowhere.csv", "null", "12", "/dev/null"),
    "labels": ("[nobody]", "5", "[]"),
    "valid_ratio": ("-1", "1", "2", NAN, WORD, "null"),
    "test_ratio": ("-1", "0", "1", NAN, WORD, "null"),
    "overlap": ("-1", "1", "2", NAN, WORD),
    "pairs": ("nowhere.csv", "null", "/dev/null"),
    "songs": ("nowhere", "null"),
    "split_seed": ("1.5", "one", "null"),
    "session": ("0", "6", "-1", WORD, "null"),
    "seconds": ("-1", NAN, WORD, "[1]"),
}
RUN_OPTIONS = {  # of SpeechBrain
    "device": ("gpu", "cuda:99", ""),
    "precision": ("fp12", "12", "fp16", ""),
    "eval_precision": ("fp12", "fp16", "8"),
    "max_grad_norm": ("much", "nan"),
    "grad_accumulation_factor": ("0", "-2", "1.5", "many", "99999"),
    "optimizer_step_limit": ("0", "-1", "1.5", "many"),
    "nonfinite_patience": ("-1", "x", "1.5"),
    "ckpt_interval_steps": ("-1", "x", "1.5"),
    "ckpt_interval_minutes": ("-1", "x", "nan"),
    "distributed_backend": ("x",),
    "tqdm_colored_bar": ("x",),
    "find_unused_parameters": ("x",),
    "compile_mode": ("x",),
    "log_config": ("/nowhere.yaml",),
    "profile_steps": ("-1", "x"),
    "profile_warmup": ("-1", "x"),
    "debug_batches": ("x", "-1", "1.5"),
    "debug_epochs": ("x", "-1"),
}
RUN_FLAGS = ("--auto_mix_prec", "--data_parallel_backend", "--jit")
LINES = (  # whole command lines of train.py after the method file
    [], ["seed=3"], ["--"], ["---"], ["--x"], ["--epoch=3"], ["-h=1"],
    ["--debug=True"], ["--seed"], ["--petl=}"], ["--seed=[1"], ["--=3"],
    ["--seed={"], ["--test_only"], ["--résumé=1"], ["--seed=1=2"],
    ["--lr", "--seed=1"], ["--lr=!!python/object/apply:os.getcwd []"],
)  # fmt: skip
METHOD_FILES = {  # name -> content
    "nowhere.yaml": None,
    "empty.yaml": "",
    "list.yaml": "- a",
    "binary.yaml": b"\xff\xfe\x00\x01",
    "tabs.yaml": "petl:\n\twrap: 1",
    "twice.yaml": "method: a\nmethod: b",
    "loop.yaml": "method: a\npetl: &a {train: *a}",
    "ref.yaml": "method: a\nlr: !ref <nothing>",
    "self.yaml": "method: a\nlr: !ref <lr>",
    "include.yaml": "method: a\npetl: !include:nowhere.yaml",
    "module.yaml": "method: a\npooling: !new:no.such.Thing",
    "call.yaml": "method: a\nlr: !apply:math.sqrt [-1]",
}
M, D, R, F = "{method}", "{data}", "{run}", "{file}"  # what is right
N, L, O = "/nowhere", "/dev/null", "{new}"  # noqa: E741
SBPETL = {  # command -> command lines
    "": ([], ["swep"], ["--hlep"], ["sweep", "--nothing"], ["12"], ["\x1b"]),
    "sweep": (
        [], [N], [L], [F], ["{recipe}", "--methods=nothing"],
        ["{recipe}", "--methods="], ["{recipe}", "--methods=lora,,"],
        *(["{recipe}", f"--folds={v}"] for v in ("0", "-1", "9", "x", "1.5", "")),
        *(["{recipe}", f"--seeds={v}"] for v in ("0", "-1", "x", "1.5", "nan", "", "1,x")),
        *(["{recipe}", f"--shots={v}"] for v in ("0", "-1", "x", "", "1.5")),
        *(["{recipe}", f"--jobs={v}"] for v in ("0", "-1", "x", "nan", "1.5")),
        *(["{recipe}", f"--gpus={v}"] for v in ("-1", "x", "1.5", "nan")),
        *(["{recipe}", f"--time={v}", "--executor=slurm"] for v in ("0", "-1", "x")),
        *(["{recipe}", f"--cpus={v}", "--executor=slurm"] for v in ("0", "-1", "x")),
        ["{recipe}", "--executor=cloud"], ["{recipe}", "--script=nowhere.py"],
        ["{recipe}", "--dry_run", "--seeds=99999999"],
        ["{recipe}", "--dry_run", "--lr=fast"],
        ["{recipe}", "--dry_run", "--nothing=1"],
        ["{recipe}", "--dry_run", "--output_folder=/dev/null"],
        ["{recipe}", "--executor=slurm", "--dry_run", "--slurm=x"],
        ["{recipe}", "--partition=x"],
    ),
    "search": (
        [], [M], [M, "--study=sqlite:///{new}.db"],
        *([M, "--study=sqlite:///{new}.db", f"--trials={v}", "--range=lr=1e-4,1e-2"]
          for v in ("0", "-1", "x", "1.5")),
        *([M, "--study=sqlite:///{new}.db", "--trials=1", f"--range={v}"]
          for v in ("lr", "lr=", "lr=x,y", "lr=2:1", "nothing=1,2", "=1,2", "lr=0:1:log",
                    "lr=1e-4:1e-2:lag", "lr=nan:1", "lr=1:inf", "batch_size=1.5:3",
                    "batch_size=0,4", "epochs=0:2", "lr=1:2:log:x", "lr=1:", "seed=1,one")),
        *([M, f"--study={v}", "--trials=1", "--range=lr=1e-4,1e-2"]
          for v in ("", "x", "sqlite:////nowhere/a.db", "sqlite:////dev/null", "mysql://x")),
        [N, "--study=sqlite:///{new}.db", "--trials=1"],
        [M, "--study=sqlite:///{new}.db", "--trials=1", "--script=nowhere.py"],
    ),
    "report": (
        [], [N], [L], [F], ["{recipe}", "--results=/nowhere"],
        ["{recipe}", "--results={file}"], ["{recipe}", "--results={empty}"],
        ["{recipe}", "--results={results}", "--embeddings=/nowhere"],
        ["{recipe}", "--results={results}", "--pictures=/dev/null"],
        ["{recipe}", "--results={results}", "--pictures=/proc/x"],
        ["{recipe}", "--nothing"],
    ),
    "classify": (
        [], [R], [N, F], [L, F], [R, N], [R, "{text}"], [R, "{empty}"], [R, ""],
        *([R, F, f"--top={v}"] for v in ("0", "-1", "x", "1.5", "nan")),
        *([R, F, f"--windows={v}"] for v in ("0", "-1", "x", "1.5")),
        *([R, F, f"--overlap={v}"] for v in ("-1", "1", "2", "x", "nan", "inf")),
        *([R, F, f"--token_merging={v}"] for v in ("-1", "1", "2", "x", "nan")),
        *([R, F, f"--csv={v}"] for v in ("/nowhere/a.csv", "/proc/a.csv", "/", "")),
        *([R, F, f"--device={v}"] for v in ("gpu", "cuda:99", "12")),
        *([R, F, f"--{o}={v}"] for v in ("0", "-1", "x", "nan") for o in ("hop", "batch_size")),
        *([R, F, f"--{o}={v}"] for v in ("/nowhere/a", "/proc/a", "/", "")
          for o in ("errors", "embeddings", "segments")),
        [R, F, "--num_workers=-1"], [R, F, "--threshold=2"], [R, F, "--threshold=nan"],
        [R, F, "--segments=a.doc"], [R, F, F, "--segments=a", "--format=x"],
        [R, F, "--resume"], [R, F, "--hop=0.1", "--overlap=0.5"], [R, N, F, "--strict"],
        *([R, F, f"--base={v}"] for v in (N, L, "{text}")),
        ["{adapter}", "{broken}"], ["{adapter}", F, "--nothing"], ["a/b", F],
    ),
    "share": (
        [], ["save"], ["save", R], ["save", N, O], ["save", L, O], ["save", F, O],
        ["save", R, F], ["save", R, L], ["save", R, "/proc/x"], ["save", R, ""],
        ["save", R, O, "--base=/nowhere"], ["save", R, O, "--base={text}"],
        ["save", "{empty}", O], ["save", R, O, "--name=a b/c/d"], ["sav", R, O],
        ["push"], ["push", N, "a/b"], ["push", "{empty}", "a/b"],
        ["push", "{adapter}", "a/b"], ["push", "{adapter}", "a b"],
    ),
    "deploy": (
        [], [R], [N, "{new}.onnx"], [L, "{new}.onnx"], [R, "{new}.txt"], [R, "{new}"],
        [R, "/nowhere/a.onnx"], [R, "/proc/a.onnx"], [R, "/"], [R, ""],
        [R, "{new}.onnx", "--base=/nowhere"], [R, "{new}.pt2", "--nothing"],
        ["{empty}", "{new}.onnx"],
    ),
    "stats": (
        [], [N], [L], [F], ["{text}"], ["{empty}"], ["{none.json}"],
        ["{list.json}"], ["{nowav.json}"], ["{lost.json}"],
        *(["{manifest}", f"--mels={v}"] for v in ("0", "-1", "x", "1.5", "nan", "100000")),
        ["{manifest}", "--nothing"],
    ),
    "export": (
        [], [N], [L], ["{text}"], ["{empty}"], [F], [M, "--nothing"], ["{recipe}"],
    ),
}  # fmt: skip
# what makes a command line right where only one of its words is bad, and what
# ends well: nothing here may be refused
REST = {
    "sweep": ["--data_folder={data}", "{tiny}"],
    "search": ["--data_folder={data}", "{tiny}"],
}
RIGHT = {
    "sweep": ["{recipe}", "--methods=linear", "--seeds=1"],
    "search": [
        *(
            M,
            "--study=sqlite:///{new}.db",
            "--trials=1",
            "--range=lr=1e-4:1e-2",
        ),
    ],
    "report": ["{recipe}", "--results={results}"],
    "classify": [R, F],
    "share": ["save", R, O],
    "deploy": [R, "{new}.pt2"],
    "stats": ["{manifest}"],
    "export": [M],
}
