# add_gtest_suites(TARGET FOLDER LABEL SECONDS): a test of ctest, FOLDER.SUITE, for each suite of a GoogleTest program,
# which has at most SECONDS. A process for each test, as gtest_discover_tests starts, takes longer than most of them do.
function(add_gtest_suites target folder label seconds)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${target}_suites.cmake)
  file(GENERATE OUTPUT ${file} CONTENT "set(program $<TARGET_FILE:${target}>)\nset(folder ${folder})\n\
set(label ${label})\nset(seconds ${seconds})\ninclude(${CMAKE_SOURCE_DIR}/cmake/list_gtest_suites.cmake)\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${file})
endfunction()
