// The files that a report is made of, built into the program by farthing_embed in
// src/CMakeLists.txt.
#pragma once

#include <string_view>

namespace farthing::embedded {

extern const std::string_view page_html, page_css, page_js;
extern const std::string_view chart_js;  // Chart.js 3.9, MIT licence, from Debian's libjs-chart.js

}  // namespace farthing::embedded
