// Broken, unknown and hostile templates: each is an error that names what and where.
#include <gtest/gtest.h>

#include "text/chat_template.h"

namespace farthing {
namespace {

Error parse_error(const std::string& source) {
  const auto chat = ChatTemplate::parse(source, "model/chat_template.jinja");
  EXPECT_FALSE(chat.has_value()) << source;
  return chat ? Error{} : chat.error();
}

Error render_error(const std::string& source, const ChatInput& input = {}) {
  const auto chat = ChatTemplate::parse(source, "model/chat_template.jinja");
  EXPECT_TRUE(chat.has_value()) << chat.error().text();
  if (!chat) return {};
  const auto text = chat->render(input);
  EXPECT_FALSE(text.has_value()) << *text;
  return text ? Error{} : text.error();
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(ChatTemplateRefusal, AnUnknownStatementIsNamedWithItsPlaceAndFile) {
  const Error error = parse_error("text\n\n{% include 'other' %}");
  EXPECT_EQ(error.where, "model/chat_template.jinja, line 3, column 4");
  EXPECT_EQ(error.got, "{% include %}");
}

TEST(ChatTemplateRefusal, AnUnknownFilterIsNamedWithItsPlaceAndFile) {
  const Error error = parse_error("\n{{ 'a' | pprint }}");
  EXPECT_EQ(error.where, "model/chat_template.jinja, line 2, column 10");
  EXPECT_EQ(error.got, "the filter 'pprint'");
}

TEST(ChatTemplateRefusal, AnUnknownFilterBehindAConditionIsNamedWhenItIsReached) {
  const Error error = render_error("{% if true %}\n{{ 'a' | pprint }}{% endif %}");
  EXPECT_EQ(error.where, "model/chat_template.jinja, line 2, column 10");
  EXPECT_EQ(error.got, "pprint");
}

TEST(ChatTemplateRefusal, ATemplateCannotReachForOthersOrForItself) {
  for (const std::string tag : {"import", "from", "extends", "include", "block"}) {
    const Error error = parse_error("a {% " + tag + " 'model/chat_template.jinja' as self %}");
    EXPECT_EQ(error.where, "model/chat_template.jinja, line 1, column 6");
    EXPECT_EQ(error.got, "{% " + tag + " %}");
  }
}

TEST(ChatTemplateRefusal, ColumnsCountCharactersAndBeginAnewInEachLine) {
  EXPECT_EQ(parse_error("\n\u00fc\u6771{% nosuchtag %}").where,
            "model/chat_template.jinja, line 2, column 6");
}

TEST(ChatTemplateRefusal, AnUndefinedNameIsNamedWithItsPlace) {
  const Error error = render_error("\n\n\n{{ missing.attribute }}");
  EXPECT_EQ(error.where, "model/chat_template.jinja, line 4, column 11");
  EXPECT_EQ(error.got, "'missing' is undefined");
}

TEST(ChatTemplateRefusal, AMissingMemberIsNamed) {
  EXPECT_EQ(render_error("{{ {}.content.text }}").got, "'dict' object has no attribute 'content'");
}

TEST(ChatTemplateRefusal, AnErrorInAMacroHasThePlaceInTheMacro) {
  const Error error = render_error("{% macro m() %}\n{{ 1 / 0 }}{% endmacro %}\n\n{{ m() }}");
  EXPECT_EQ(error.where, "model/chat_template.jinja, line 2, column 4");
}

TEST(ChatTemplateRefusal, AnUnclosedBlockSaysWhatIsMissing) {
  const Error error = parse_error("{% if a %}{% for b in c %}{% endfor %}");
  EXPECT_EQ(error.got, "the end of the template");
  EXPECT_EQ(error.wanted, "{% elif or else or endif %}");
}

TEST(ChatTemplateRefusal, ATimeThatWasNotGivenIsAskedFor) {
  EXPECT_EQ(render_error("{{ strftime_now('%Y') }}").wanted,
            "a time in the input (ChatInput::now)");
}

TEST(ChatTemplateRefusal, ATimeThatIsNoneIsRefused) {
  ChatInput input;
  input.now = ChatTime{2023, 2, 29};
  EXPECT_EQ(render_error("{{ strftime_now('%Y') }}", input).got, "2023-2-29 0:0:0");
}

TEST(ChatTemplateRefusal, AMessageThatIsNoMapIsRefused) {
  ChatInput input;
  input.messages = {ChatMap{}, ChatValue("hello")};
  const Error error = render_error("", input);
  EXPECT_EQ(error.where, "message 1");
}

TEST(ChatTemplateRefusal, AVariableThatIsGivenTwiceIsRefused) {
  ChatInput input;
  input.variables = {{"messages", ChatValue(1)}};
  EXPECT_EQ(render_error("", input).got, "messages");
}

TEST(ChatTemplateRefusal, TextThatIsNotUtf8IsRefused) {
  ChatInput input;
  input.messages = {ChatMap{{"content", "\xff"}}};
  EXPECT_EQ(render_error("", input).where, "model/chat_template.jinja, variable messages");
  EXPECT_EQ(parse_error("\xff").got, "bytes that are not UTF-8");
}

TEST(ChatTemplateRefusal, ASourceOfManyMegabytesIsRefused) {
  EXPECT_EQ(parse_error(std::string((std::size_t{4} << 20) + 1, 'x')).got, "4194305 bytes");
}

TEST(ChatTemplateRefusal, DeeplyNestedBracketsAreRefused) {
  const std::string source = "{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}";
  EXPECT_EQ(parse_error(source).got, "more than 100 levels of nesting");
  EXPECT_EQ(parse_error("{{ " + repeated("-", 100000) + "1 }}").got,
            "more than 100 levels of nesting");
  EXPECT_EQ(parse_error("{{ " + repeated("not ", 100000) + "1 }}").got,
            "more than 100 levels of nesting");
}

TEST(ChatTemplateRefusal, DeeplyNestedBlocksAreRefused) {
  const std::string source = repeated("{% if 1 %}", 5000) + repeated("{% endif %}", 5000);
  EXPECT_EQ(parse_error(source).got, "more than 100 levels of nesting");
  EXPECT_EQ(parse_error("{% if 1 %}" + repeated("{% elif 1 %}", 5000) + "{% endif %}").got,
            "more than 100 levels of nesting");
}

TEST(ChatTemplateRefusal, LongChainsOfOperationsAreRefused) {
  for (const std::string link : {"+1", " or 1", "|abs", ".x", " if 1", "()"}) {
    EXPECT_EQ(parse_error("{{ a" + repeated(link, 100000) + " }}").got,
              "more than 200 nested operations")
        << link;
  }
}

TEST(ChatTemplateRefusal, AMacroThatCallsItselfIsStopped) {
  const Error error = render_error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
  EXPECT_EQ(error.what, "the chat template calls itself without end, or is nested too deeply");
}

TEST(ChatTemplateRefusal, MacrosThatCallEachOtherAreStopped) {
  const Error error = render_error(
      "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}");
  EXPECT_EQ(error.what, "the chat template calls itself without end, or is nested too deeply");
}

TEST(ChatTemplateRefusal, LoopsInLoopsAreStopped) {
  std::string source = "{% set r = range(1000) %}";
  source += repeated("{% for i in r %}", 6) + repeated("{% endfor %}", 6);
  EXPECT_EQ(render_error(source).what, "the chat template runs too long");
}

TEST(ChatTemplateRefusal, TextThatDoublesIsStopped) {
  const Error error = render_error(
      "{% set ns = namespace(t='xx') %}{% for i in range(100) %}{% set ns.t = ns.t ~ ns.t %}"
      "{% endfor %}");
  EXPECT_EQ(error.what, "the chat template runs too long");
}

TEST(ChatTemplateRefusal, RepeatedTextIsStopped) {
  EXPECT_EQ(render_error("{{ 'x' * 9000000000000000000 }}").what,
            "the chat template runs too long");
  EXPECT_EQ(render_error("{{ [1] * 9000000000000000000 }}").what,
            "the chat template runs too long");
  EXPECT_EQ(render_error("{{ 'a' | indent(9000000000000000000) }}").what,
            "the chat template runs too long");
}

// Each would take half a gigabyte and more, and twice as long a text twice as much.
TEST(ChatTemplateRefusal, AShortTemplateCannotMakeMillionsOfElements) {
  for (const std::string source :
       {"{{ ('x' * 6000000) | list | length }}",
        "{% for c in 'x' * 6000000 %}{% break %}{% endfor %}",
        "{{ (',' * 6000000).split(',') | length }}", "{{ (', ' * 6000000).rsplit() | length }}",
        "{{ ('\\n' * 6000000).splitlines() | length }}", "{{ ([1] * 21000000) | length }}",
        "{{ ('x' * 45000000)[1:] | length }}", "{{ ([1] * 5000000) | sort | length }}",
        "{% set ns = namespace(p=[]) %}{% for i in range(1000) %}{% set ns.p = ns.p + [(i, i)] %}"
        "{% endfor %}{% set d = dict(ns.p) %}{% for i in range(6000) %}{% set ns.x = namespace(d) "
        "%}"
        "{% endfor %}"}) {
    EXPECT_EQ(render_error(source).what, "the chat template runs too long") << source;
  }
}

TEST(ChatTemplateRefusal, AListThatHoldsItselfTwiceAgainAndAgainIsStopped) {
  const std::string grow =
      "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}"
      "{% endfor %}";
  for (const std::string use : {"{{ ns.l }}", "{{ ns.l | tojson }}", "{{ ns.l == [ns.l] }}",
                                "{{ ns.l == ns.l[:] }}", "{{ ns.l < ns.l[:] }}"}) {
    const auto chat = ChatTemplate::parse(grow + use, "x").value();
    const auto text = chat.render({});
    if (use == "{{ ns.l == [ns.l] }}") {
      EXPECT_EQ(text, "False");
    } else {
      ASSERT_FALSE(text.has_value()) << use;
      EXPECT_EQ(text.error().what, "the chat template runs too long") << use;
    }
  }
}

TEST(ChatTemplateRefusal, ListsInListsWithoutEndAreStopped) {
  const Error error = render_error(
      "{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor "
      "%}");
  EXPECT_EQ(error.what, "the chat template nests lists or dictionaries too deeply");
}

TEST(ChatTemplateRefusal, ANamespaceThatHoldsItselfIsHarmless) {
  const auto chat = ChatTemplate::parse(
      "{% set ns = namespace() %}{% set ns.self = ns %}{% macro m() %}{% endmacro %}"
      "{% set ns.m = m %}{{ ns.self.self is defined }}",
      "x");
  EXPECT_EQ(chat.value().render({}), "True");
}

TEST(ChatTemplateRefusal, OutputOfManyMegabytesIsStopped) {
  ChatInput input;
  input.messages = {ChatMap{{"content", std::string(std::size_t{1} << 20, 'x')}}};
  const Error error =
      render_error("{% for i in range(65) %}{{ messages[0].content }}{% endfor %}", input);
  EXPECT_EQ(error.got, "more than 67108864 bytes");
}

TEST(ChatTemplateRefusal, ALongRangeIsRefused) {
  EXPECT_EQ(render_error("{{ range(100001) }}").wanted, "at most 100000 numbers");
  EXPECT_EQ(render_error("{{ range(0, 9000000000000000000, 4000000000000000000)[9].x }}").what,
            "the chat template uses what is not defined");
}

TEST(ChatTemplateRefusal, ValuesThatAreNestedTooDeeplyAreRefused) {
  ChatValue value(1);
  for (int i = 0; i < 101; ++i) value = ChatValue(jinja::List{value});
  ChatInput input;
  input.tools = value;
  EXPECT_EQ(render_error("", input).got, "101 levels of lists and maps");
}

}  // namespace
}  // namespace farthing
