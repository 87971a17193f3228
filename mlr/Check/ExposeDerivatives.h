// Every derivative that a program takes, as a hidden output of its root nodes, so that what the differentiated program says of it
// can be compared, instant by instant, with what it is by definition.
//
// The typed program is rewritten before its import, so that no later stage knows: these outputs are dataflow like any other.
//  - Of a derivative in a scan all instants are stacked.
//  - On a slower clock it is held.
//  - What a called node or fun exposes is a further result of the call: of instances side by side, of each. A fun that takes
//    derivatives is called at the level of its time for that.
#pragma once

#include "mlr/Check/Program.h"

#include <map>
#include <optional>

namespace mlr {

struct ExposedDerivatives {
  /// Vjp, Jvp: number among the outputs of its node.
  std::map<const Expr *, uint32_t> outputOf;
  /// A result of a call that is a derivative inside of the callee: number among the outputs of the caller.
  std::map<std::pair<const NodeInstance *, VarId>, uint32_t> outputOfResult;
  std::map<const NodeInstance *, uint32_t> own; ///< outputs that a node had before
};

/// Adds the outputs behind those of each node that the roots reach, but for functions that state their derivative and these
/// derivatives. verify(program) holds afterwards.
ExposedDerivatives exposeDerivatives(Program &program);

} // namespace mlr
