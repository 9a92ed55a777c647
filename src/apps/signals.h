// What signals do to the program.
#pragma once

namespace farthing {

// On SIGINT, SIGTERM and SIGHUP partial outputs are removed and the program ends with status 128 +
// signal. Must be called before any thread is made. Writing to a closed pipe becomes an error
// instead of the end.
void handle_signals();

}  // namespace farthing
