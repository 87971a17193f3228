// The machine of the dialect under the name that the tests use.
#pragma once

#include "mlr/Dataflow/Machine.h"

namespace mlr::test {
using dataflow::Bytes;
using dataflow::Machine;
} // namespace mlr::test
