"""The one judge: `farthing eval` of a folder of weights against the unquantized model."""
import json
import subprocess

KEPT = ("kl_mean", "kl_p99", "top1_agreement", "perplexity", "perplexity_increase")


def judge(args, model, folder):
    """KL in nats, top-1 agreement, perplexity, each with its 95 % interval, on the first windows of the text."""
    command = [args.farthing, "eval", folder, "--against", model, "--tokens", str(args.windows * 512), "--context", "512",
               "--threads", str(args.threads), "--json"]
    if args.text:
        command += ["--text", args.text]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    return {name: found[name] for name in KEPT} | {"windows": found["windows"], "text_digest": found["text_digest"]}
