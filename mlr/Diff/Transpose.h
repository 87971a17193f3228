// Private to Diff: where the elements of a tensor are read, and the sum over those places.
#pragma once

#include "mlr/Diff/Adjoint.h"

namespace mlr::diff {

/// A read turned round: for each element of the source, the indices of the body at which it is read.
///
/// The dimensions of the expressions are: the batch, the axes of the source that are left, the free arguments of the body (those
/// that the element does not fix, over which the contribution is summed).
struct Transposition {
  SmallVector<unsigned> axes;          ///< of the source; all but `rows`
  SmallVector<ScanAxis, 2> rows;
  SmallVector<unsigned> free;          ///< arguments of the body
  SmallVector<AffineExpr> positions;   ///< of each argument
  struct Between { AffineExpr e; int64_t size; };
  SmallVector<Between> inside;         ///< 0 <= e < size
  struct Multiple { AffineExpr e; int64_t of; };
  SmallVector<Multiple> multiples;     ///< e mod of == 0
  struct Equal {
    unsigned axis;      ///< of the source
    AffineExpr element; ///< the dimension of that axis
    bool clamp;
    int64_t size;
  };
  SmallVector<Equal> equal;            ///< the read's index of the axis is the element's
  /// An axis as if it went on on both sides, `size` elements from `low` (at most 0) on: a clamped index, before it is clamped.
  struct Wide {
    unsigned axis; ///< of the source
    int64_t low, size;
  };
  SmallVector<Wide, 2> wide;
  int64_t sizeOf(unsigned axis, ArrayRef<int64_t> sourceShape) const;
  /// A read at computed places: the arguments that choose the place, ascending, whose dimensions stand in front of the batch's, and the
  /// axes of the source that they choose. `axes` has the others, each read along an argument of its own.
  SmallVector<unsigned> choosing, chosen;
  int64_t begin = 0, count = 0;        ///< the elements of the axis `restricted` that are read at all; count 0: all
  unsigned restricted = 0;
};

/// What the conditions under which a read stands say of its places, as of `at(x, i + a, 0)`: an index that is inside wherever
/// they hold is not clamped there.
struct Padding {
  SmallVector<bool> inside; ///< by axis of the source: clamped, but inside where the conditions hold
  bool isAll = false;       ///< the conditions hold wherever the index is inside on these axes
};
Padding paddingOf(const Body &body, ReadOp read, ArrayRef<Guard> conditions);
/// `level`: the block of the source; scans between it and the read stack what they read row by row.
Transposition transpose(const Body &body, ReadOp read, unsigned batch, Block *level, const Padding &padding);
/// Where an axis is read at a computed place, so that each element of the source would be compared with all places: makes a scatter of
/// the transposition. False: there is no need.
bool scatter(Transposition &t, const Body &body, ReadOp read, unsigned batch);
/// Looks at no more of one axis, the first that is read in part, than what is read: a slice, a row. Not where rows are stacked.
void restrictToRead(Transposition &t, ReadOp read, unsigned batch);
/// What lies beyond the ends of wide axes goes to the elements at the ends, as clamped indices do.
Value foldWide(OpBuilder &b, Location loc, const Transposition &t, Value part, unsigned batch, ArrayRef<int64_t> sourceShape,
               ConstantPool &constants);
/// For a scalar: all arguments are free.
Transposition sumOver(const Body &body, unsigned batch);

} // namespace mlr::diff
