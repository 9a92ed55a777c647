#!/usr/bin/env python3
"""llama.cpp's logits of windows of token ids: WINDOWS.npy [windows, context] to OUT.npy [windows, context, vocabulary].

  "$(scripts/peers --python llama-cpp)" bench/peers/llama_logits.py MODEL.gguf WINDOWS.npy OUT.npy --kv f16 --chunk 512

Each window begins with an empty cache. --chunk 1 feeds token by token; --together N decodes N windows in one batch,
as a server does. Prints llama.cpp's build flags.
"""
import argparse
import ctypes
import sys

sys.path.pop(0)  # this folder has a file with the package's name
import llama_cpp.llama_cpp as llama  # noqa: E402
import numpy  # noqa: E402

KV_TYPES = {"f32": llama.GGML_TYPE_F32, "f16": llama.GGML_TYPE_F16}
FLASH = {"auto": -1, "off": 0, "on": 1}  # enum llama_flash_attn_type


def new_context(model, args, context):
    options = llama.llama_context_default_params()
    options.n_ctx = context * args.together
    options.n_seq_max = args.together
    options.n_batch = options.n_ubatch = max(args.chunk, context * args.together)
    options.n_threads = options.n_threads_batch = args.threads
    options.type_k = options.type_v = KV_TYPES[args.kv]
    options.flash_attn_type = FLASH[args.flash]
    made = llama.llama_init_from_model(model, options)
    if not made:
        sys.exit(f"llama_logits: llama.cpp makes no context with KV {args.kv}, flash attention {args.flash}")
    return made


def decode(context, batch, tokens, position, vocabulary):
    """Logits [sequences, count, vocabulary] of tokens [sequences, count] that stand at `position` and after."""
    sequences, count = tokens.shape
    batch.n_tokens = sequences * count
    for i, token in enumerate(tokens.ravel()):
        batch.token[i], batch.pos[i] = int(token), position + i % count
        batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, i // count, 1
    status = llama.llama_decode(context, batch)
    if status != 0:
        sys.exit(f"llama_logits: llama_decode ended with status {status}")
    size = batch.n_tokens * vocabulary
    logits = numpy.ctypeslib.as_array(llama.llama_get_logits(context), shape=(size,))
    return logits.reshape(sequences, count, vocabulary).copy()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("windows")
    parser.add_argument("out")
    parser.add_argument("--kv", choices=sorted(KV_TYPES), default="f16", help="type of keys and values (f16)")
    parser.add_argument("--flash", choices=sorted(FLASH), default="auto", help="flash attention (auto)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chunk", type=int, default=512, help="most tokens of a window in one batch (512)")
    parser.add_argument("--together", type=int, default=1, help="windows in one batch (1)")
    args = parser.parse_args()
    windows = numpy.load(args.windows)
    if len(windows) % args.together:
        parser.error(f"--together: got {args.together}; wanted a divisor of {len(windows)} windows")

    silent = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    llama.llama_backend_init()
    parameters = llama.llama_model_default_params()
    parameters.n_gpu_layers = 0
    model = llama.llama_model_load_from_file(args.model.encode(), parameters)
    if not model:
        sys.exit(f"llama_logits: llama.cpp cannot load {args.model}")
    vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    count, size = windows.shape
    context = new_context(model, args, size)
    batch = llama.llama_batch_init(size * args.together, 0, 1)
    out = numpy.empty((count, size, vocabulary), numpy.float32)
    for first in range(0, count, args.together):
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        group = slice(first, first + args.together)
        for begin in range(0, size, args.chunk):
            part = slice(begin, begin + args.chunk)
            out[group, part] = decode(context, batch, windows[group, part], begin, vocabulary)
    numpy.save(args.out, out)
    print(llama.llama_print_system_info().decode().strip())


if __name__ == "__main__":
    main()
