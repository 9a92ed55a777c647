// A thread that waits for signals: it may lock and allocate, as a signal handler may not.
#include "apps/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/file.h"

namespace farthing {

void handle_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN)
      sigaddset(&signals, signal);  // nohup, and background jobs of a shell
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // threads inherit it
  std::thread([signals] {
    int signal = 0;
    while (sigwait(&signals, &signal) != 0) {
    }
    discard_partial_outputs();
    ::_exit(128 + signal);
  }).detach();
}

}  // namespace farthing
