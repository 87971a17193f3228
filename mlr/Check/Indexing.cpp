// x[i, j], x[a..b], x[i ..+ n], at(x, i, d).
#include "mlr/Check/AstWalk.h"
#include "mlr/Check/Body.h"

#include <fmt/format.h>

namespace mlr::checking {

Expr *Body::read(Expr *array, std::vector<ReadIndex> reads, Span span) {
  Shape shape;
  bool whole = true;
  for (size_t i = 0; i < reads.size(); ++i) {
    if (reads[i].kind != ReadIndex::Kind::At) shape.push_back(reads[i].count);
    whole &= reads[i].kind == ReadIndex::Kind::Range && reads[i].count == array->type.shape[i];
  }
  if (whole) return array;
  if (array->kind == ExprKind::Read && mergeReads(*array, reads)) {
    array->type.shape = std::move(shape);
    array->span = span;
    return array;
  }
  Expr *e = make(ExprKind::Read, {array->type.scalar, std::move(shape)}, span, {array});
  e->reads = std::move(reads);
  return e;
}

/// x[i, 2..5][j] is x[i, j + 2]: puts the outer reads in the place of the inner slices. Not where the outer
/// index would be clamped to a part of the axis, or slides in a slide.
bool Body::mergeReads(Expr &inner, const std::vector<ReadIndex> &outer) {
  size_t next = 0;
  for (size_t i = 0; i < inner.reads.size(); ++i) {
    const ReadIndex &axis = inner.reads[i];
    if (axis.kind == ReadIndex::Kind::At) continue;
    const ReadIndex &use = outer[next++];
    bool whole = axis.kind == ReadIndex::Kind::Range && axis.count == inner.args[0]->type.shape[i];
    bool all = use.kind == ReadIndex::Kind::Range && use.count == axis.count;
    bool shifts = axis.kind == ReadIndex::Kind::Range && (use.kind == ReadIndex::Kind::Range || use.inBounds);
    if (!whole && !all && !shifts) return false;
  }
  next = 0;
  for (ReadIndex &axis : inner.reads) {
    if (axis.kind == ReadIndex::Kind::At) continue;
    ReadIndex use = outer[next++];
    if (use.kind == ReadIndex::Kind::Range && use.count == axis.count) continue;
    if (use.kind == ReadIndex::Kind::Range) use.start += axis.start;
    else if (axis.start) {
      Array offset;
      parseLiteral({{}, axis.start, false}, use.at->type.scalar, offset);
      use.at = makeOp(OpKind::Add, use.at->type, use.at->span,
                      {use.at, makeConst(std::move(offset), use.at->span)});
    }
    axis = use;
  }
  return true;
}

bool Body::mentionsVariable(const ast::Expr *e) const {
  bool found = false;
  walk(e, [&](const ast::Expr &part) {
    found |= part.kind == ast::ExprKind::Name && !describe(part.text).empty();
  });
  return found;
}

/// A scalar integer.
bool Body::elabPosition(const ast::Expr &e, Expr *&out) {
  Value v = elab(e);
  if (v.unknown()) return false;
  forceDefault(v);
  if (v.plain() && v.type().isScalar() && isInt(v.type().scalar) && !v.nominal) {
    out = v.expr;
    return true;
  }
  Diagnostic &d = error(kinds::typeMismatch, e.span, "an index must be a scalar integer", toString(v.ty()));
  if (v.plain() && v.type().isScalar() && v.type().scalar != Scalar::Bool)
    d.helps.push_back(fmt::format("convert it: `i32({})`", text(e)));
  return false;
}

void Body::reportOutside(const ast::Expr &e, const Affine &a, Interval range, int64_t size, size_t axis,
                         const ast::Expr &array) {
  auto low = static_cast<int64_t>(range.low), high = static_cast<int64_t>(range.high);
  std::string label =
      low == high ? fmt::format("this is {}", low) : fmt::format("runs over {}..{}", low, high);
  Diagnostic &d = error(kinds::indexOutOfBounds, e.span,
                        fmt::format("index `{}` leaves axis {} of `{}`", text(e), axis, text(array)), label);
  d.notes.push_back(size == 0 ? "that axis has size 0"
                              : fmt::format("that axis has size {}: indices 0..{}", size, size - 1));
  for (auto &[key, coefficient] : a.terms) {
    bool scan = key >> 63;
    auto id = static_cast<uint32_t>(key);
    int64_t count = scan ? instance.vars[id].time->length : instance.indices[id].size;
    const std::string &name = scan ? instance.vars[id].name : instance.indices[id].name;
    if (coefficient != 0) d.notes.push_back(fmt::format("`{}` runs over 0..{}", name, count - 1));
  }
  if (array.kind == ast::ExprKind::Name)
    if (const SymbolId *id = lookup(array.text); id && symbols[*id].declared)
      d.labels.push_back(
          {symbols[*id].span, describeSizes(checker.sources, *symbols[*id].declared, env), false});
  if (low == high && low < 0 && -low <= size)
    d.helps.push_back(fmt::format("counted from the end: `{}[{}]`", text(array), size + low));
  else if (low < high)
    d.helps.push_back(
        fmt::format("outside the axis, take a default: `at({}, .., 0)`; or clamp: `max(0, min({}, {}))`",
                    text(array), text(e), size - 1));
}

bool Body::elabAt(const ast::Index &index, int64_t size, size_t axis, const ast::Expr &array,
                  ReadIndex &out) {
  Expr *at = nullptr;
  if (!elabPosition(*index.a, at)) return false;
  out.at = at;
  bool never = deadCode();
  if (auto range = affineRange(at, never)) {
    out.inBounds = never || (range->low >= 0 && range->high < size);
    if (out.inBounds) return true;
    reportOutside(*index.a, *affine(at), *range, size, axis, array);
    return false;
  }
  auto range = interval(at);
  out.inBounds = never || (range && range->low >= 0 && range->high < size);
  if (size == 0 && !out.inBounds) {
    error(kinds::indexOutOfBounds, index.span,
          fmt::format("axis {} of `{}` has no elements", axis, text(array)), "size 0");
    return false;
  }
  return true;
}

bool Body::elabRange(const ast::Index &index, int64_t size, const ast::Expr &array, ReadIndex &out) {
  out.kind = ReadIndex::Kind::Range;
  if (mentionsVariable(index.a.get()) || mentionsVariable(index.b.get())) {
    Diagnostic &d = error(kinds::notConstant, index.span, "the ends of a slice must be known at compile time",
                          "depends on a variable");
    std::string start = index.a ? text(*index.a) : "0", length = "LENGTH";
    const ast::Expr *end = index.b.get(); // `n .. n + 2` has two elements
    if (end && end->kind == ast::ExprKind::Binary && end->op == ast::Op::Add && text(*end->args[0]) == start &&
        !mentionsVariable(end->args[1].get()))
      length = text(*end->args[1]);
    d.helps.push_back(
        fmt::format("a moving slice has a start and a length: `{}[{} ..+ {}]`", text(array), start, length));
    return false;
  }
  auto low = index.a ? statics.integer(*index.a) : std::optional<int64_t>(0);
  auto high = index.b ? statics.integer(*index.b) : std::optional<int64_t>(size);
  if (!low || !high) return false;
  out.start = *low;
  out.count = *high - *low;
  out.inBounds = true;
  if (0 <= *low && *low <= *high && *high <= size) return true;
  Diagnostic &d = error(kinds::indexOutOfBounds, index.span,
                        fmt::format("the slice {}..{} of `{}` leaves its axis", *low, *high, text(array)),
                        fmt::format("the axis has size {}", size));
  if (*high >= 0 && *low > *high) d.notes.push_back("a slice a..b holds the elements a, a + 1, .., b - 1");
  return false;
}

bool Body::elabSlide(const ast::Index &index, int64_t size, const ast::Expr &array, ReadIndex &out) {
  out.kind = ReadIndex::Kind::Slide;
  auto count = statics.size(*index.b);
  Expr *at = nullptr;
  if (!elabPosition(*index.a, at) || !count) return false;
  if (*count > size) {
    error(kinds::indexOutOfBounds, index.span,
          fmt::format("a slice of {} elements of `{}` is longer than its axis", *count, text(array)),
          fmt::format("the axis has size {}", size));
    return false;
  }
  out.at = at;
  out.count = *count;
  auto range = interval(at);
  out.inBounds = deadCode() || (range && range->low >= 0 && range->high <= size - *count);
  return true;
}

Value Body::elabIndex(const ast::Expr &e) {
  return indexValue(elab(*e.args[0]), e);
}

/// The indices of `e` on the first axes of `shape`; the others are whole.
bool Body::elabReads(const ast::Expr &e, const Shape &shape, std::vector<ReadIndex> &reads) {
  const ast::Expr &array = *e.args[0];
  reads.resize(shape.size());
  bool ok = true;
  for (size_t i = 0; i < reads.size(); ++i) {
    int64_t size = shape[i];
    if (i >= e.indices.size()) {
      reads[i].kind = ReadIndex::Kind::Range;
      reads[i].count = size;
      reads[i].inBounds = true;
      continue;
    }
    const ast::Index &index = e.indices[i];
    if (index.kind == ast::Index::Kind::At) ok &= elabAt(index, size, i, array, reads[i]);
    else if (index.kind == ast::Index::Kind::Range) ok &= elabRange(index, size, array, reads[i]);
    else ok &= elabSlide(index, size, array, reads[i]);
  }
  return ok;
}

/// A stacked struct is read leaf by leaf at the same positions.
Value Body::indexStruct(Value v, const ast::Expr &e) {
  std::vector<ReadIndex> reads;
  bool ok = elabReads(e, v.lead, reads);
  if (!ok && !report.isQuiet()) return Value();
  Shape lead;
  for (const ReadIndex &axis : reads)
    if (axis.kind != ReadIndex::Kind::At) lead.push_back(axis.count);
  size_t outer = v.lead.size();
  bool first = true;
  auto readLeaves = [&](auto &self, Value &part) -> void {
    for (Value &inner : part.parts) self(self, inner);
    if (part.isStruct()) {
      Shape own = lead;
      own.insert(own.end(), part.lead.begin() + static_cast<ptrdiff_t>(outer), part.lead.end());
      part.lead = std::move(own);
    }
    if (!part.plain()) return;
    std::vector<ReadIndex> axes = reads;
    Shape shape = lead;
    for (ReadIndex &axis : axes)
      if (axis.at && !first) axis.at = clone(axis.at);
    first = false;
    for (size_t i = outer; i < part.shape().size(); ++i) {
      ReadIndex &whole = axes.emplace_back();
      whole.kind = ReadIndex::Kind::Range;
      whole.count = part.shape()[i];
      whole.inBounds = true;
      shape.push_back(whole.count);
    }
    if (!ok) part.expr = make(ExprKind::Var, {part.type().scalar, std::move(shape)}, e.span);
    else part.expr = read(comprehended.empty() || report.isQuiet() ? part.expr : named(part.expr), std::move(axes), e.span);
  };
  readLeaves(readLeaves, v);
  return v;
}

Value Body::indexValue(Value v, const ast::Expr &e) {
  const ast::Expr &array = *e.args[0];
  if (v.unknown()) return Value();
  if (v.isStruct() && v.lead.size() >= e.indices.size()) return indexStruct(std::move(v), e);
  if (v.plain() && v.flex == Flex::None && !comprehended.empty() && !report.isQuiet()) v.expr = named(v.expr);
  if (!v.plain() || v.shape().size() < e.indices.size()) {
    size_t rank = v.plain() ? v.shape().size() : 0;
    Diagnostic &d =
        error(kinds::shapeMismatch, e.span,
              v.plain() ? fmt::format("`{}` has {} {}, and {} {} given", text(array), rank,
                                      rank == 1 ? "axis" : "axes", e.indices.size(),
                                      e.indices.size() == 1 ? "index is" : "indices are")
              : v.isStruct() ? fmt::format("`{}` is a struct with {} {} in front of its fields, and {} {} given",
                                           text(array), v.lead.size(), v.lead.size() == 1 ? "axis" : "axes",
                                           e.indices.size(), e.indices.size() == 1 ? "index is" : "indices are")
                        : fmt::format("`{}` is a tuple and has no elements to index", text(array)));
    describeOperand(d, array, v, false);
    if (v.isStruct() && !v.nominal->decl->fields.empty())
      d.helps.push_back(fmt::format("index a field: `{}.{}[..]`", text(array), v.nominal->decl->fields[0].name.text));
    else if (!v.plain()) d.helps.push_back(fmt::format("take it apart: `(a, b) = {};`", text(array)));
    return Value();
  }
  std::vector<ReadIndex> reads;
  bool ok = elabReads(e, v.shape(), reads);
  if (!ok && report.isQuiet()) {
    // The positions are not known yet, but the type is.
    Shape shape;
    for (size_t i = 0; i < reads.size(); ++i)
      if (reads[i].kind != ReadIndex::Kind::At) shape.push_back(reads[i].count);
    v.expr = make(ExprKind::Var, {v.type().scalar, shape}, e.span);
    return v;
  }
  if (!ok) return Value();
  v.expr = read(v.expr, std::move(reads), e.span);
  v.truth = false;
  return v;
}

/// at(x, i, .., d): the element, or d where an index is outside.
Value Body::elabAtOr(const ast::Expr &e) {
  if (e.args.size() < 3) {
    Diagnostic &d =
        error(kinds::wrongArguments, e.span, "`at` takes a tensor, an index for each axis and a default");
    d.helps.push_back("`at(x, i, 0)`: x[i], or 0 where i is outside");
    return Value();
  }
  Value array = elab(*e.args[0]), fallback = elab(*e.args.back());
  // While guessing, the default alone tells the type of an array that is not known, or only what fills it.
  bool shapeless = array.unknown() || (array.plain() && array.flex != Flex::None && array.shape().empty());
  if (shapeless && report.isQuiet() && fallback.plain() && fallback.shape().empty()) return opened(fallback);
  if (array.unknown()) return Value();
  size_t given = e.args.size() - 2;
  if (!array.plain() || array.shape().size() != given) {
    Diagnostic &d =
        error(kinds::wrongArguments, e.span,
              fmt::format("`at` needs one index for each axis of `{}`, and has {}", text(*e.args[0]), given));
    describeOperand(d, *e.args[0], array, false);
    return Value();
  }
  std::vector<ReadIndex> reads(given);
  bool ok = true;
  for (size_t i = 0; i < given; ++i) {
    Expr *at = nullptr;
    ok &= elabPosition(*e.args[i + 1], at);
    reads[i].at = at;
    if (!at) continue;
    auto range = interval(at);
    reads[i].inBounds = deadCode() || (range && range->low >= 0 && range->high < array.shape()[i]);
  }
  if (fallback.unknown() && report.isQuiet())
    return plain(make(ExprKind::Var, {array.type().scalar, {}}, e.span), array.flex);
  if (fallback.unknown()) return Value();
  // Made of literals, the tensor takes the type of the default, or both that of the context.
  if (array.flex != Flex::None && fallback.plain()) {
    std::vector<Value> both{array, fallback};
    if (!unifyScalars(both, {e.args[0].get(), e.args.back().get()}, "at")) return Value();
    array = both[0], fallback = both[1];
  }
  Type type{array.type().scalar, {}};
  bool open = array.flex != Flex::None && fallback.flex != Flex::None && fallback.shape().empty();
  if (!open && !fit(fallback, Ty{Ty::Kind::Plain, Flex::None, type, {}, array.nominal}, *e.args.back(), "the element type")) return Value();
  if (!ok && !report.isQuiet()) return Value();
  Expr *out = make(ok ? ExprKind::ReadOr : ExprKind::Var, type, e.span, {array.expr, fallback.expr});
  if (ok) out->reads = std::move(reads);
  Value v = plain(out, array.flex);
  v.nominal = array.nominal;
  return v;
}

} // namespace mlr::checking
