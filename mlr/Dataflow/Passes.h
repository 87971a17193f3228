// From the typed program to normalised dataflow.
#pragma once

#include "mlr/Check/Program.h"
#include "mlr/Dataflow/Dialect.h"

namespace mlr::dataflow {

/// Elements side by side that fill the lanes of any vector.
constexpr int64_t enoughLanes = 16;

/// A program that expands beyond this many operations is refused: it would exhaust memory in later stages.
constexpr int64_t maxOperations = 5'000'000;

/// Typed program -> module of mlr.node, one for each instance, mlr.call between them. Source spans become
/// MLIR locations (FileLineColLoc; NameLoc for variables). Reductions of f16/bf16 become f32 reductions; mean
/// becomes sum and division.
mlir::OwningOpRef<mlir::ModuleOp> importProgram(const Program &program, const SourceMap &sources,
                                                mlir::MLIRContext &context);

/// Inlines every mlr.call into the root nodes and drops the others. State names become source paths; the flags of a call
/// are combined with those of the operators of time that it brings.
mlir::LogicalResult inlineCalls(mlir::ModuleOp module);

/// After this, and from here on, of every node:
///  - no mlr.pre (it is fby of zeros), no mlr.call;
///  - no operator of time has flags: what is on a clock or in a segment is a memory that keeps its value while the clock is
///  not active, and selections (values off the clock are computed, and looked at by nobody); only a scan keeps its `when`,
///  which says where it may be left out, and a window where time starts once its scalar `when` and `reset`;
///  - the `init` of an fby at the node's own time or in a resume scan is a constant; in another scan a
///  constant or a captured value (others
///    become select(first, init, fby));
///  - the `init` of a window in another scan is one of these too (another is latched at the first instant and selected);
///  - the `end` of an eby is a constant or a captured value (others become a select at the last instant);
///  - `first` stands only in the node's own time or in resume scans (in others it is t == 0).
mlir::LogicalResult normalizeTime(mlir::ModuleOp module);

struct SimplifyOptions {
  bool unfused =
      false; ///< --unfused: chains of products multiply, then add, also where they are evaluated here
};

/// Folds constants (also whole gens and reduces over constants, within a size limit), composes reads through
/// gens (views, element-wise chains, producers read once an element), merges equal operations, drops dead
/// ones. Keeps every rounding and every order of summation.
mlir::LogicalResult simplify(mlir::ModuleOp module, const SimplifyOptions &options = {});

/// pack + scan: what a scan over the last T values of a stream, on a clock `every T`, computes forward from elements that have
/// arrived and from what is known before the segment starts, runs instant by instant as they arrive; what later parts of the
/// scan need of it is collected in windows. Leaves on the node, as `mlr.segments`, for each such scan what runs when, and why.
mlir::LogicalResult streamSegments(mlir::ModuleOp module);

/// Tells gens, reductions and scans under which condition somebody looks at their result (their `when`), where that is not
/// always: work that only the chosen side of a selection needs is done on that side only. For operations in an order of
/// execution, which it keeps but for conditions that have to come earlier; linear.
mlir::LogicalResult guardWork(mlir::ModuleOp module);

/// Windows where time starts once, unless they are so small that their rows are better moved, become memories of which one
/// row is written an instant (mlr.rows): one of n rows, written at its place in the segment, where the window is looked at
/// only at the ends of segments of n; else a ring of n, or where rows are small of twice n, so that the last n are always in one
/// piece. After guardWork.
mlir::LogicalResult makeRings(mlir::ModuleOp module);

/// For machines with vectors, after Schedule and before guardWork: in a sum, elements that are read beyond the ends of a tensor too, as the clamped
/// or a constant one there, as in padded convolutions and the adjoints of strided ones, are read of a copy that has those in it.
/// The same bits.
mlir::LogicalResult padReads(mlir::ModuleOp module);

/// An attribute of what is read so often that its vectors shall each be in one cache line: memory of an output that starts
/// between two is no place for it.
inline constexpr llvm::StringLiteral readByLines = "mlr.read_by_lines";

/// For machines with vectors, after Schedule: variable matrices that a scan of many instants multiplies with, W[i, k] in a sum over
/// k for each i, are copied before it as [k, i], for as many bytes of scratch. The same bits. The copies have `readByLines`.
mlir::LogicalResult transposeInvariants(mlir::ModuleOp module);

/// For machines with vectors, after Schedule and before guardWork: kernels of convolutions, k[o, .., w] in a sum over a short w for each o of
/// many places, are copied with o last, for as many bytes of scratch. The same bits.
mlir::LogicalResult transposeReused(mlir::ModuleOp module);

/// For machines with vectors, after Schedule and first of those passes: what a reduction reduces by an inner reduction for each of its elements
/// is stored before, where that is not much, so that elements lie in lanes. The same bits.
mlir::LogicalResult splitReductions(mlir::ModuleOp module);

/// For machines with vectors, after makeRings: a sum of products over the instants of a scan, of which nobody sees but the last value
/// (the gradient of a matrix), is brought up to date once in a block of at most 32 instants, whose factors are kept. The same bits:
/// every element adds the same products in the same order.
mlir::LogicalResult deferUpdates(mlir::ModuleOp module);

/// Re-checks what normalizeTime promises and what no single operation can see: values are used only in their
/// own time or one nested in it, no calls, no instantaneous cycle. Emits an MLIR error on violation.
mlir::LogicalResult verifyNormalized(mlir::ModuleOp module);

/// The passes of this stage by name (mlr-inline-calls, mlr-normalize-time, mlr-simplify,
/// mlr-verify-normalized), for pipelines given as text. Once a process.
void registerPasses();

} // namespace mlr::dataflow
