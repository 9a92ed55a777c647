"""The conversations that every template is rendered with."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place <now> & 'later'",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "A town, like \"Paris\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "array", "items": {"type": "integer"}},
            },
            "required": ["place"],
        },
        "return": {"type": "number"},
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time of day",
        "parameters": {"type": "object", "properties": {}},
    },
}


def system(text="You are terse."):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def called(name, arguments, identity):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


CALL = called("get_weather", {"place": "Zürich", "days": [1, 2], "exact": True, "limit": None}, "call00001")
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"degrees\": 21.5}"}
NOW = {"year": 2026, "month": 3, "day": 9, "hour": 14, "minute": 5, "second": 7}

# name: what transformers' apply_chat_template is given; `now` is the time that strftime_now tells.
CONVERSATIONS = {
    "one_turn": {"messages": [user("Hello!"), assistant("Good day.")]},
    "prompt": {"messages": [user("Hello!")], "add_generation_prompt": True},
    "system_prompt": {"messages": [system(), user("Hello!")], "add_generation_prompt": True},
    "turns": {"messages": [system(), user("One?"), assistant("Two."), user("Three?"), assistant("Four.")]},
    "turns_without_system": {"messages": [user("One?"), assistant("Two."), user("Three?")]},
    "white_space": {"messages": [system("  spaced\n"), user("\n\n a \t"), assistant("  b  \n"), user(" c")],
                    "add_generation_prompt": True},
    "unicode": {"messages": [user("naïve Straße 東京 🦜 \u00a0\u2028x"), assistant("\"quoted\" 'it''s' <b>&amp;</b> \\n")]},
    "empty": {"messages": [system(""), user(""), assistant("")]},
    "reasoning": {"messages": [user("1+1?"), assistant("2", reasoning_content="One and one."), user("2+2?"),
                               assistant("4", reasoning_content="Two and two.")]},
    "think_tags": {"messages": [user("1+1?"), assistant("<think>\nOne.\n</think>\n\n2"), user("2+2?"),
                                assistant("<think>\nTwo.\n</think>\n\n4")]},
    "no_thinking": {"messages": [user("Hello!")], "add_generation_prompt": True,
                    "variables": {"enable_thinking": False, "thinking": False, "reasoning_effort": "low"}},
    "tools": {"messages": [system(), user("Weather?")], "tools": [WEATHER, TIME], "add_generation_prompt": True},
    "tool_calls": {"messages": [user("Weather?"), assistant("", tool_calls=[CALL]), RESULT, assistant("21.5 degrees.")],
                   "tools": [WEATHER]},
    "tool_calls_without_content": {"messages": [user("Weather?"), {"role": "assistant", "content": None, "tool_calls": [CALL]},
                                                RESULT], "tools": [WEATHER], "add_generation_prompt": True},
    "documents": {"messages": [user("Which?")], "documents": [{"title": "A", "text": "first"}, {"title": "B", "text": "second"}],
                  "add_generation_prompt": True},
    "content_parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "text", "text": "here"}]},
                                   assistant("Seen.")]},
    "wrong_order": {"messages": [assistant("I begin."), assistant("And go on.")]},
    "unknown_role": {"messages": [user("Hello!"), {"role": "narrator", "content": "Night falls."}]},
    "no_messages": {"messages": [], "add_generation_prompt": True},
}
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
