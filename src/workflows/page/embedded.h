// The files that reports are made of, built into the program by farthing_embed in
// src/CMakeLists.txt.
#pragma once

#include <string_view>

namespace farthing::embedded {

extern const std::string_view page_css, page_js;  // of all pages
extern const std::string_view compare_page_html, compare_page_js;
extern const std::string_view align_page_html, align_page_js;
extern const std::string_view chart_js;  // Chart.js 3.9, MIT licence, from Debian's libjs-chart.js

}  // namespace farthing::embedded
