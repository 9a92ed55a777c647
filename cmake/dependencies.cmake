# Debian 12 packages, and which folder of src/ links them.
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
find_package(tl-expected REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

find_file(FARTHING_CHART_JS chart.min.js PATHS /usr/share/javascript/chart.js NO_DEFAULT_PATH REQUIRED)  # libjs-chart.js

set(FARTHING_LINKS_base fmt::fmt tl::expected Threads::Threads PkgConfig::XXHASH)
set(FARTHING_LINKS_text PkgConfig::PCRE2 PkgConfig::UTF8PROC)
