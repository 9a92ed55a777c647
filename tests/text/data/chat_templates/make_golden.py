#!/usr/bin/env python3
"""Renders every template with every conversation by jinja2 and writes NAME.golden beside NAME.jinja.

Without a folder or template named, those of real/ and own/; also snippets.golden, the renderings of the lines of
snippets.txt, and conversations.json.

    make_golden.py [--transformers] [--check] [FOLDER_OR_TEMPLATE...]
    make_golden.py --config TOKENIZER_CONFIG NAME      # of a template that is not carried here: only NAME.golden

jinja2 3.1.6 runs in the environment that transformers 5.23.0 configures (utils/chat_template_utils.py); with
--transformers, transformers' own function renders. --check writes nothing and compares with what is there.
"""
import argparse
import contextlib
import datetime
import json
import os
import sys
from unittest import mock

import conversations

HERE = os.path.dirname(os.path.abspath(__file__))


def make_environment():
    """The environment of transformers, with an input for the time."""
    import jinja2
    import jinja2.ext
    import jinja2.sandbox

    class AssistantTracker(jinja2.ext.Extension):
        tags = {"generation"}

        def __init__(self, environment):
            super().__init__(environment)
            environment.extend(activate_tracker=self.activate_tracker)
            self.blocks, self.spans = [], []

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_support"), [], [], body).set_lineno(line)

        @jinja2.pass_eval_context
        def _support(self, context, caller):
            text = caller()
            begin = len("".join(self.blocks))
            self.spans.append((begin, begin + len(text)))
            return text

        @contextlib.contextmanager
        def activate_tracker(self, blocks, spans):
            self.blocks, self.spans = blocks, spans
            yield

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    class TemplateDict:
        def __call__(self, *args, **kwargs):
            return dict(*args, **kwargs)

        def fromkeys(self, *args, **kwargs):
            return dict.fromkeys(*args, **kwargs)

    class TemplateNamespace(jinja2.utils.Namespace):
        def __init__(*args, **kwargs):  # without a name for the first one, which may be a member's
            self, args = args[0], args[1:]
            members = dict(*args, **kwargs)
            for name in members:
                TemplateNamespace.check(name)
            jinja2.utils.Namespace.__init__(self, members)

        def __setitem__(self, name, value):
            TemplateNamespace.check(name)
            jinja2.utils.Namespace.__setitem__(self, name, value)

        @staticmethod
        def check(name):
            if isinstance(name, str) and name.startswith("_"):
                raise jinja2.exceptions.SecurityError(f"{name!r} on a namespace")

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[AssistantTracker, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["dict"] = TemplateDict()
    environment.globals["namespace"] = TemplateNamespace
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = fixed_now().strftime
    return environment


def fixed_now():
    return datetime.datetime(**conversations.NOW)


def with_reasoning_names(message):
    """transformers' _alias_reasoning_fields."""
    names = ("reasoning_content", "thinking", "reasoning")
    reasoning = next((message[name] for name in names if message.get(name) is not None), None)
    if reasoning is None:
        return message
    return {"thinking": reasoning, **message, "reasoning_content": reasoning}


def render_by_jinja2(source, conversation):
    """Returns the text and the spans of {% generation %} in characters."""
    environment = make_environment()
    template = environment.from_string(source)
    blocks, spans = [], []
    with environment.activate_tracker(blocks, spans):
        for block in template.generate(
                messages=[with_reasoning_names(message) for message in conversation["messages"]],
                tools=conversation.get("tools"), documents=conversation.get("documents"),
                add_generation_prompt=conversation.get("add_generation_prompt", False),
                **conversations.SPECIAL_TOKENS, **conversation.get("variables", {})):
            blocks.append(block)
    return "".join(blocks), spans


def render_by_transformers(source, conversation):
    from transformers.utils import chat_template_utils

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return fixed_now()

    with mock.patch.object(chat_template_utils, "datetime", Clock):
        texts, spans = chat_template_utils.render_jinja_template(
            [conversation["messages"]], tools=conversation.get("tools"), documents=conversation.get("documents"),
            chat_template=source, return_assistant_tokens_mask=True,
            add_generation_prompt=conversation.get("add_generation_prompt", False),
            **conversations.SPECIAL_TOKENS, **conversation.get("variables", {}))
    return texts[0], spans[0]


def bytes_of(text, characters):
    return len(text[:characters].encode("utf-8"))


def golden_text(source, render):
    """JSON of {conversation: {text, spans} or {error, class}}; spans in bytes, only where there are any."""
    golden = {}
    for name, conversation in conversations.CONVERSATIONS.items():
        try:
            text, spans = render(source, conversation)
        except Exception as error:  # whatever the template does wrong
            golden[name] = {"error": str(error), "class": type(error).__name__}
            continue
        golden[name] = {"text": text}
        if spans:
            golden[name]["spans"] = [[bytes_of(text, begin), bytes_of(text, end)] for begin, end in spans]
    return json.dumps(golden, ensure_ascii=False, indent=1) + "\n"


def read_template(path):
    # As transformers reads chat_template.jinja: line ends are jinja2's business.
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def templates_of(paths):
    for path in paths:
        if os.path.isdir(path):
            yield from (os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".jinja"))
        else:
            yield path


def snippets_text(render):
    """A list of [group, template, rendering or null where there is an error]."""
    golden, group = [], ""
    with open(os.path.join(HERE, "snippets.txt"), encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("# "):
                group = line[2:]
                continue
            try:
                text = render(line, {"messages": []})[0]
            except Exception:  # whatever the snippet does wrong
                text = None
            golden.append([group, line, text])
    # Addresses of objects differ from run to run.
    golden = [[group, line, "" if text and " at 0x" in text else text] for group, line, text in golden]
    return json.dumps(golden, ensure_ascii=False, indent=0) + "\n"


def conversations_text():
    values = {"conversations": conversations.CONVERSATIONS, "special_tokens": conversations.SPECIAL_TOKENS,
              "now": conversations.NOW}
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transformers", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--config", help="a tokenizer_config.json")
    parser.add_argument("paths", nargs="*")
    args = parser.parse_args()
    render = render_by_transformers if args.transformers else render_by_jinja2
    if args.config:
        with open(args.config, encoding="utf-8") as file:
            source = json.load(file)["chat_template"]
        with open(os.path.join(HERE, args.paths[0] + ".golden"), "w", encoding="utf-8", newline="\n") as file:
            file.write(golden_text(source, render))
        return 0
    paths = args.paths or [os.path.join(HERE, folder) for folder in ("real", "own")]
    outputs = {}
    for path in templates_of(paths):
        outputs[path[:-len(".jinja")] + ".golden"] = golden_text(read_template(path), render)
    templates = len(outputs)
    if not args.paths:
        outputs[os.path.join(HERE, "conversations.json")] = conversations_text()
        outputs[os.path.join(HERE, "snippets.golden")] = snippets_text(render)
    differing = 0
    for path, text in outputs.items():
        if not args.check:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            continue
        with open(path, encoding="utf-8", newline="") as file:
            if file.read() != text:
                print(f"make_golden: {path} is not what jinja2 gives now", file=sys.stderr)
                differing += 1
    print(f"make_golden: {templates} templates x {len(conversations.CONVERSATIONS)} conversations, "
          f"{differing} files differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
