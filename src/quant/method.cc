// Names of methods over the two registries.
#include "quant/method.h"

#include "quant/rescaling/rescaling_method.h"

namespace farthing {

std::string Method::name() const {
  if (rescaling == nullptr) return std::string(algorithm->name);
  std::string out(rescaling->name);
  if (algorithm->name != rescaling->algorithm) out += "+" + std::string(algorithm->name);
  return out;
}

Result<Method> parse_method(const std::string& name) {
  const auto plus = name.find('+');
  const std::string first = name.substr(0, plus);
  Method out;
  if (plus == std::string::npos) out.algorithm = find_algorithm(name);
  if (out.algorithm != nullptr) return out;
  out.rescaling = find_rescaling(first);
  if (out.rescaling != nullptr)
    out.algorithm = find_algorithm(plus == std::string::npos ? out.rescaling->algorithm
                                                             : name.substr(plus + 1));
  if (out.algorithm != nullptr) return out;
  return fail({.what = "unknown quantization method",
               .where = "method",
               .got = name,
               .wanted = "one of " + method_names(),
               .remedy = "correct the name"});
}

std::string method_names() {
  std::string out = algorithm_names();
  for (const RescalingInfo& rescaling : all_rescalings()) out += ", " + std::string(rescaling.name);
  return out + ", or two joined as in awq+gptq";
}

}  // namespace farthing
