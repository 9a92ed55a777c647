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
# Every kind of schema that the templates which write tools as types (gpt-oss) tell apart.
BOOKING = {
    "type": "function",
    "function": {
        "name": "book_table",
        "description": "Books a table.\nAsk first.",
        "parameters": {
            "type": "object",
            "properties": {
                "guests": {"type": "array", "description": "Who comes", "items": {
                    "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                    "required": ["name"]}},
                "note": {"type": ["string", "null"], "description": "Anything else", "default": None},
                "when": {"oneOf": [{"type": "string", "enum": ["noon", "evening"]}, {"type": "number", "description": "an hour"}],
                         "description": "The time", "default": "evening"},
                "inside": {"type": "boolean", "default": True},
                "tags": {"type": "array", "items": {"type": "string"}, "nullable": True},
                "level": {"type": "number", "default": 0.5},
                "table": {"type": "object", "properties": {"row": {"type": "integer", "minimum": 1}}},
                "extra": {"type": "object", "additionalProperties": False},
                "any": {"description": "no type"},
            },
            "required": ["guests", "when"],
        },
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
CLOCK = called("get_time", {}, "call00002")
AS_TEXT = called("get_weather", "{\"place\": \"Z\u00fcrich\"}", "call00003")
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
    "two_calls_at_once": {"messages": [system(), user("Weather, time?"), assistant("", tool_calls=[CALL, CLOCK]), RESULT,
                                       {"role": "tool", "name": "get_time", "tool_call_id": "call00002", "content": "14:05"},
                                       assistant("21.5 degrees at 14:05."), user("Thanks!")],
                          "tools": [WEATHER, TIME], "add_generation_prompt": True},
    "calls_after_reasoning": {"messages": [user("Weather?"), assistant("I look.", reasoning_content="It is asked.", tool_calls=[CALL]),
                                           RESULT, assistant("", reasoning_content="And the time.", tool_calls=[CLOCK]),
                                           {"role": "tool", "name": "get_time", "tool_call_id": "call00002", "content": ""}],
                              "tools": [WEATHER, TIME], "add_generation_prompt": True},
    "call_without_reasoning": {"messages": [user("Weather?"), {"role": "assistant", "tool_calls": [CALL]}, RESULT,
                                            assistant("Warm."), user("Sure?")], "tools": [WEATHER], "add_generation_prompt": True},
    "arguments_as_text": {"messages": [user("Weather?"), assistant("", tool_calls=[AS_TEXT]),
                                       {"role": "tool", "name": "get_weather", "tool_call_id": "call00003", "content": "warm"}],
                          "tools": [WEATHER], "add_generation_prompt": True},
    "result_as_data": {"messages": [user("Weather?"), assistant("", tool_calls=[CALL]), {**RESULT, "content": {"degrees": 21.5, "at": [1, None]}}],
                       "tools": [WEATHER], "add_generation_prompt": True},
    "typed_tools": {"messages": [{"role": "developer", "content": "Be brief."}, user("A table?")], "tools": [BOOKING, TIME],
                    "add_generation_prompt": True},
    "built_in_tools": {"messages": [system(), user("Search."), assistant("", tool_calls=[called("brave_search", {"query": "a & b"}, "call00004")]),
                                    {"role": "ipython", "content": "found"}], "tools": [TIME], "add_generation_prompt": True,
                       "variables": {"builtin_tools": ["browser", "python", "brave_search"], "tools_in_user_message": False,
                                     "date_string": "9 March 2026", "reasoning_effort": "high", "model_identity": "You are a test."}},
    "documents": {"messages": [user("Which?")], "documents": [{"title": "A", "text": "first"}, {"title": "B", "text": "second"}],
                  "add_generation_prompt": True},
    "content_parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "text", "text": "here"}]},
                                   assistant("Seen.")]},
    "wrong_order": {"messages": [assistant("I begin."), assistant("And go on.")]},
    "unknown_role": {"messages": [user("Hello!"), {"role": "narrator", "content": "Night falls."}]},
    "no_messages": {"messages": [], "add_generation_prompt": True},
}
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
