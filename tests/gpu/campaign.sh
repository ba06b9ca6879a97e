#!/usr/bin/env bash
# Everything that is open about a GPU, in eight minutes of one; a table last.
#
# > tests/gpu/campaign.sh [--quick] [--device=cpu] [--out=FOLDER] [--clips=FOLDER]
#       [--times=N]
#
# On a bare machine with python3 and torch, without network: the wheels of what
# else is missing are in tests/gpu/wheels, by tests/gpu/wheels.py. Every part has
# a time limit of its own, N times as long for a slow machine, and what it found
# is written when it ends.
set -uo pipefail
cd "$(dirname "$0")/../.."

device=cuda quick='' out=results/gpu clips='' whole=470 times=1 # seconds
for option in "$@"; do
    case $option in
    --quick) quick=--quick ;;
    --device=*) device=${option#*=} ;;
    --out=*) out=${option#*=} ;;
    --clips=*) clips=$option ;;
    --times=*) times=${option#*=} ;;
    *)
        echo "campaign.sh: $option is not known" >&2
        exit 2
        ;;
    esac
done
mkdir -p "$out"
: >"$out/parts.tsv"
export GPU_TESTS_DEVICE=$device HF_HUB_OFFLINE=1 PYTHONPATH=$PWD:$PWD/tests/helpers
python=python3

# part NAME SECONDS COMMAND...: run it, no longer than that and what is left
part() {
    local name=$1 limit=$(($2 * times)) begin=$SECONDS code=1
    local left=$((whole * times - SECONDS))
    shift 2
    if [ "$left" -lt "$limit" ]; then limit=$left; fi
    if [ "$limit" -gt 0 ]; then
        timeout "$limit" "$@" >"$out/$name.log" 2>&1
        code=$?
    fi
    printf '%s\t%s\t%s\n' "$name" "$code" "$((SECONDS - begin))" >>"$out/parts.tsv"
    tail -n 1 "$out/parts.tsv"
}

install() {
    python3 -m venv --system-site-packages "$out/venv" &&
        "$out/venv/bin/python" -m pip install --no-index --no-deps \
            --quiet tests/gpu/wheels/*.whl
}

if [ -d tests/gpu/wheels ]; then
    export -f install
    export out
    part install 60 bash -c install
    python=$out/venv/bin/python
fi
part tests 170 $python -m pytest -m "gpu and not slow" -q tests/gpu \
    --junitxml="$out/tests.xml" -p no:cacheprovider
part benchmarks 160 $python -m tests.benchmarks $quick --device="$device" \
    --batch=32 --json="$out/benchmarks.json" $clips --only \
    bf16 compiled memory methods features step
part fold 80 $python tests/gpu/fold.py $quick --device="$device" $clips \
    --json="$out/fold.json"
$python tests/gpu/table.py "$out" | tee "$out/table.md"
