// Rehearsals of a thread are counted.
#include "base/rehearsal.h"

namespace farthing {

namespace {
thread_local int rehearsals = 0;
}  // namespace

Rehearsal::Rehearsal() { ++rehearsals; }
Rehearsal::~Rehearsal() { --rehearsals; }

bool rehearsing() { return rehearsals > 0; }

}  // namespace farthing
