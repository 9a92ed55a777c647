# farthing_embed(TARGET NAME FILE): builds a text file into a library, as std::string_view farthing::embedded::NAME.
# As a script (cmake -DNAME=... -DFILE=... -DOUT=... -P embed.cmake) it writes the source file for that.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FILE} text)
  set(end ")-embedded-")
  string(FIND "${text}" "${end}\"" found)
  if(NOT found EQUAL -1)
    message(FATAL_ERROR "${FILE} holds the mark that ends the literal: ${end}")
  endif()
  file(WRITE ${OUT} "// Made by cmake/embed.cmake from ${FILE}.\n#include <string_view>\n\n"
    "namespace farthing::embedded {\nstatic const char text[] = R\"-embedded-(${text}${end}\";\n"
    "extern const std::string_view ${NAME};\n"
    "constinit const std::string_view ${NAME}(text, sizeof text - 1);\n}  // namespace farthing::embedded\n")
  return()
endif()

set(FARTHING_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(farthing_embed target name file)
  set(out ${CMAKE_BINARY_DIR}/embedded/${name}.cc)
  add_custom_command(OUTPUT ${out} VERBATIM DEPENDS ${file} ${FARTHING_EMBED_SCRIPT}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DFILE=${file} -DOUT=${out} -P ${FARTHING_EMBED_SCRIPT})
  target_sources(${target} PRIVATE ${out})
endfunction()
