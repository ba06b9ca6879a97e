"""How many parameters the methods must train on AST-base."""

FINAL = 1_536  # the last LayerNorm
NORM = 18_432  # the LayerNorm before an adapted sub-layer, in all 12 blocks
LORA, WIDE, SOUND, SPEECH = 221_184, 230_544, 250_080, 252_288
PROMPT, PREFIX = 230_400, 221_184
# method file of ESC-50 -> trainable parameters, where a paper or README says
EXPECTED = {
    "linear": 1_536,
    "full": 86_187_264,
    "bitfit": 102_144,
    "ln_tuning": 2 * NORM + FINAL,
    "lora": LORA + FINAL,
    "rslora": LORA + FINAL,
    "dora": LORA + 18_432 + FINAL,  # and a magnitude for each output
    "bottleneck": WIDE + NORM + FINAL,
    "bottleneck_houlsby": 2 * (WIDE + NORM) + FINAL,
    "adaptformer": WIDE + NORM + FINAL,
    "conformer": SOUND + NORM + FINAL,
    "conformer_houlsby": 2 * (SOUND + NORM) + FINAL,
    "convpass": 235_872 + NORM + FINAL,
    "prompt_shallow": PROMPT + FINAL,
    "prompt_deep": PROMPT + FINAL,
    "prefix": PREFIX + FINAL,
    "dense_moa": 903_756 + NORM + FINAL,
    "soft_moa": 903_672 + NORM + FINAL,
    "ia3": 55_296 + FINAL,
    "ssf": 204_288,
    "weighted_layers": 12 + FINAL,
    "attentive": 768 + 2 * 768**2,
    "protobin": 1000 * 768,
    "gated_probe": 1000 * 768 + 12,
    "token_mixer": 92_976 + NORM + FINAL,
    # 2,232 in each Mamba and a scale; 19,212 in the projections of all
    "mambadapter": 19_212 + 12 * 2_233 + NORM + FINAL,
    "mambadapter_houlsby": 19_212 + 24 * 2_233 + 2 * NORM + FINAL,
    "loaa": 24 * 19_204 + FINAL,
    "pissa": LORA + FINAL,
    "olora": LORA + FINAL,
    "eva": LORA + FINAL,
    "lora_fa": LORA // 2 + FINAL,
    "vera": 12 * 2 * (256 + 768) + FINAL,
    "loha": 294_912 + FINAL,
    "oft": 69_120 + FINAL,
    "lora_conformer": LORA + SOUND + NORM + FINAL,
    "prefix_bottleneck": PREFIX + WIDE + NORM + FINAL,
    "prompt_bitfit": PROMPT + 102_144 + 768,  # and the weight of the last norm
}
