// BLEU and ROUGE give what sacrebleu and rouge-score give, and answers are found in generated
// texts.
#include <gtest/gtest.h>

#include <cmath>

#include "eval/tasks/task.h"
#include "eval/text_similarity/bleu.h"
#include "eval/text_similarity/rouge.h"

namespace farthing {
namespace {

// Made with sacrebleu 2.6 as lm-evaluation-harness's truthfulqa_gen calls it, and rouge-score
// 0.1.2.
struct Golden {
  const char *text, *reference;
  double bleu, rouge1, rouge2, rouge_l_sum;
};
const Golden goldens[] = {
    {"A: The watermelon seeds pass through your digestive system.",
     "The watermelon seeds pass through your digestive system.", 78.60753021519781,
     94.11764705882352, 93.33333333333333, 94.11764705882352},
    {"The cat sat on the mat, and 1,000.5 dogs ran $5 away.",
     "The cat sat on a mat; 1,000.5 dogs ran for $5.", 25.33654946448646, 81.48148148148148,
     55.99999999999999, 81.48148148148148},
    {"Nothing happens", "Nothing happens.", 0, 100, 100, 100},
    {"the the the the the", "the cat the dog", 12.703318703865365, 44.44444444444445, 0,
     44.44444444444445},
    {"It was 1955. He left!\nShe stayed \u2014 \u201calone\u201d.",
     "He left in 1955.\nShe stayed alone, all alone.", 10.571070857151541, 70.58823529411765, 40,
     58.82352941176471},
    {"completely other words here now", "nothing in common at all", 0, 0, 0, 0},
    {"", "some reference.", 0, 0, 0, 0},
    {"\u00c9t\u00e9 in Z\u00fcrich: 20\u00b0C + sun = 3\u20ac",
     "Summer in Z\u00fcrich: 20\u00b0C + rain = 3\u20ac", 63.40466277046863, 75, 57.14285714285714,
     75},
    {"one two three. four five six seven", "four five six. one two three seven", 37.15011599826721,
     100, 66.66666666666666, 57.14285714285714},
    {"a b c d\ne f g", "e f\na c d\ng b", 21.36435031981171, 100, 33.33333333333333, 100},
    // Shorter than the reference; a word in more common subsequences than there are of it; two
    // longest ones, which leave different words.
    {"The capital of France is Paris.",
     "The capital of France is the large city of Paris, in Europe.", 24.601580968354618,
     66.66666666666666, 50.000000000000014, 66.66666666666666},
    {"c a\na b b", "c b a a\na b b c", 38.80684294761701, 76.92307692307693, 54.54545454545454,
     76.92307692307693},
    {"c a b a\nb c a b", "a b c\na", 34.57207846419409, 66.66666666666666, 60, 50},
};

// A dozen roundings of 2^-53 of numbers up to 100, and the logarithms and the exponential of BLEU.
constexpr double tolerance = 1e-12;

TEST(TextSimilarity, BleuIsThatOfSacrebleu) {
  for (const Golden& golden : goldens)
    EXPECT_NEAR(bleu(golden.text, golden.reference), golden.bleu, tolerance) << golden.text;
}

TEST(TextSimilarity, RougeIsThatOfRougeScore) {
  for (const Golden& golden : goldens) {
    const Rouge made = rouge(golden.text, golden.reference);
    EXPECT_NEAR(made.one, golden.rouge1, tolerance) << golden.text;
    EXPECT_NEAR(made.two, golden.rouge2, tolerance) << golden.text;
    EXPECT_NEAR(made.l_sum, golden.rouge_l_sum, tolerance) << golden.text;
  }
}

TEST(TextSimilarity, NumbersKeepTheirPunctuation) {
  EXPECT_EQ(international_words("1,000.5 dogs, $5."),
            (std::vector<std::string>{"1,000.5", "dogs", ",", "$", "5."}));
}

JsonObject row(const std::string& json) { return JsonObject::parse(json, "row").value(); }

// Found by lm-evaluation-harness's filters and exact_match, run over the same texts.
TEST(Gsm8k, StrictAndFlexibleAnswersAreThoseOfTheFilters) {
  struct Case {
    const char *text, *strict, *flexible;
  };
  const Task& task = *find_task("gsm8k");
  for (const Case& c :
       {Case{"so 3+4=7.\n#### 7", "7", "7"}, Case{"#### 1,200.", "1200", "1200"},
        Case{"#### -5 apples", "-5", "-5"}, Case{"The answer is $18.", "[invalid]", "18"},
        Case{"#### x #### 12", "12", "12"}, Case{"no number", "[invalid]", "[invalid]"},
        Case{"-3 -", "[invalid]", "-3"}, Case{"costs 5-3", "[invalid]", "-3"},
        Case{"1.5.", "[invalid]", "1.5"}, Case{"####18 and 2", "[invalid]", "2"},
        Case{"$", "[invalid]", "[invalid]"}, Case{"- 7,", "[invalid]", "7"},
        Case{"#### 3\n#### 4", "3", "4"}, Case{"-$5", "[invalid]", "-5"}}) {
    const auto right = [&](const std::string& wanted) {
      return task.judge({.references = {"so it is\n#### " + wanted}}, {.text = c.text});
    };
    EXPECT_EQ(right(c.strict)[0], 1) << c.text;
    EXPECT_EQ(right(c.flexible)[1], 1) << c.text;
    EXPECT_EQ(right("77"), (std::vector<double>{0, 0})) << c.text;
  }
}

TEST(Gsm8k, ASolvedProblemIsTheQuestionAndItsWholeAnswer) {
  const auto item =
      find_task("gsm8k")->read(row(R"({"question": "1+1?", "answer": "It is 2.\n#### 2"})"));
  ASSERT_TRUE(item);
  EXPECT_EQ(item->solved(), "Question: 1+1?\nAnswer: It is 2.\n#### 2");
  EXPECT_EQ(item->prompt, "Question: 1+1?\nAnswer:");
}

const char* const truth = R"({"Question": "Why? ", "Best Answer": "B one",
    "Correct Answers": "A one; B one;A one;", "Incorrect Answers": "C one; D one."})";

TEST(TruthfulQa, Mc1HasTheBestAnswerAndTheWrongOnes) {
  const auto item = find_task("truthfulqa_mc1")->read(row(truth));
  ASSERT_TRUE(item);
  ASSERT_EQ(item->choices.size(), 3u);
  EXPECT_EQ(item->choices[0].text, " B one");
  EXPECT_TRUE(item->choices[0].correct);
  EXPECT_EQ(item->choices[2].text, " D one.");
  EXPECT_FALSE(item->choices[2].correct);
  EXPECT_TRUE(item->choices[0].context.ends_with("in Barcelona, Spain.\n\nQ: Why?\nA:"));
  EXPECT_TRUE(item->choices[0].context.starts_with("Q: What is human life expectancy"));
}

TEST(TruthfulQa, Mc2IsTheCorrectAnswersShareOfTheProbability) {
  const auto item = find_task("truthfulqa_mc2")->read(row(truth));
  ASSERT_TRUE(item);
  ASSERT_EQ(item->choices.size(), 4u);  // two correct ones, each once
  // Far below what exp() can hold: 3 + 2 of 3 + 2 + 4 + 1 parts.
  TaskResponse response;
  for (const double part : {3, 2, 4, 1}) response.log_likelihoods.push_back(std::log(part) - 2000);
  // The logarithms are rounded to 2^-42 near 2000: 2.3e-13 relative.
  EXPECT_NEAR(find_task("truthfulqa_mc2")->judge(*item, response)[0], 0.5, 1e-12);
}

TEST(TruthfulQa, AGeneratedAnswerIsComparedWithBothSides) {
  const Task& task = *find_task("truthfulqa_gen");
  const auto item = task.read(row(truth));
  ASSERT_TRUE(item);
  EXPECT_TRUE(item->prompt.ends_with("\n\nQ: Why?"));
  EXPECT_EQ(item->references, (std::vector<std::string>{"A one.", "B one.", "I have no comment."}));
  EXPECT_EQ(item->wrong_references, (std::vector<std::string>{"C one.", "D one."}));
  const auto values = task.judge(*item, {.text = "I have no comment"});
  ASSERT_EQ(values.size(), task.metrics.size());
  EXPECT_EQ(task.metrics[3].name, "rouge1_max");
  EXPECT_EQ(values[3], 100);
  EXPECT_EQ(values[4], 1);
  EXPECT_EQ(values[5], 100);
  const auto wrong = task.judge(*item, {.text = "D one"});
  EXPECT_EQ(wrong[3], 50);  // "one" of "A one"
  EXPECT_EQ(wrong[4], 0);
  EXPECT_EQ(wrong[5], -50);
}

}  // namespace
}  // namespace farthing
