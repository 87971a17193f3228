// The mlr dialect: order-free equations over streams. It adds to MLIR what SSA lacks, time.
//
// Values are scalars (i1, signless i8..i64 for MLR's signed integers, ui8..ui64, f16, bf16, f32, f64) and ranked
// static tensors of them. Every value in a node's body is a stream of the node's time; every value in a scan's
// region is a stream of the scan's inner time; a captured value of an enclosing region is a constant of the
// inner time. Regions of node and scan are graph regions: the textual order of operations means nothing until
// Schedule has run (attribute `scheduled` on the node), after which it is the order of execution.
//
// gen and reduce are the only tensor computations. Their regions hold scalar operations over index arguments; tensors
// are read through mlr.read. They are instantaneous and pure.

#ifndef MLR_OPS
#define MLR_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def Mlr_Dialect : Dialect {
  let name = "mlr";
  let cppNamespace = "::mlr::dataflow";
  let summary = "synchronous dataflow with recurrences forwards and backwards in time";
}

// Region arguments print with the source's names.
def Mlr_NamedArguments : DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>;

class Mlr_Op<string mnemonic, list<Trait> traits = []> : Op<Mlr_Dialect, mnemonic, traits>;

// ---- types -------------------------------------------------------------------------------------------------

def Mlr_Scalar : AnyTypeOf<[I1, I8, I16, I32, I64, UI8, UI16, UI32, UI64, F16, BF16, F32, F64, Index],
                           "scalar">;
def Mlr_Tensor : Type<And<[CPred<"::llvm::isa<::mlir::RankedTensorType>($_self)">,
                                     CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).hasStaticShape()">]>,
                                "tensor of static shape">;
def Mlr_Value : AnyTypeOf<[Mlr_Scalar, Mlr_Tensor], "scalar or tensor">;

def Mlr_Flag : Type<And<[CPred<"::mlir::getElementTypeOrSelf($_self).isInteger(1)">, Mlr_Value.predicate]>,
                    "i1, or tensor of i1">;

def Mlr_ReduceKind : I32EnumAttr<"ReduceKind", "combiner of a reduction", [
    I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"Prod", 1, "prod">,
    I32EnumAttrCase<"Max", 2, "max">, I32EnumAttrCase<"Min", 3, "min">,
    I32EnumAttrCase<"All", 4, "all">, I32EnumAttrCase<"Any", 5, "any">,
    I32EnumAttrCase<"Argmax", 6, "argmax">, I32EnumAttrCase<"Argmin", 7, "argmin">]> {
  let cppNamespace = "::mlr::dataflow";
}
def Mlr_Direction : I32EnumAttr<"Direction", "direction of a sweep",
    [I32EnumAttrCase<"Up", 0, "up">, I32EnumAttrCase<"Down", 1, "down">]> {
  let cppNamespace = "::mlr::dataflow";
}

// ---- structure ---------------------------------------------------------------------------------------------

def Mlr_NodeOp : Mlr_Op<"node", [IsolatedFromAbove, Symbol, HasOnlyGraphRegion, RegionKindInterface,
                                 SingleBlock, Mlr_NamedArguments]> {
  let summary = "a node: input streams to output streams";
  let description = [{
    `mlr.node @f(%x: f32, %w: tensor<3xf32>) -> (y: f32) { ... mlr.yield %y : f32 }`.
    `function_type` has inputs and results; `arg_names`, `result_names` are the source's names.
    `presence`, one number a result: of a flag, the result of which it says at which instants it is present, otherwise -1;
    without the attribute all results are always present. A result is unspecified where it is absent.
    Unit attribute `scheduled`: see the head of this file.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
                       StrArrayAttr:$arg_names, StrArrayAttr:$result_names,
                       OptionalAttr<StrAttr>:$sym_visibility, OptionalAttr<DenseI64ArrayAttr>:$presence,
                       UnitAttr:$scheduled);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Mlr_YieldOp : Mlr_Op<"yield", [Terminator, Pure, ParentOneOf<["NodeOp", "ScanOp", "GenOp", "ReduceOp"]>]> {
  let summary = "outputs of a node; results of a scan; the element of a gen; the element (or two fused factors) of a reduce";
  let arguments = (ins Variadic<Mlr_Value>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Mlr_CallOp : Mlr_Op<"call", [AttrSizedOperandSegments]> {
  let summary = "an instance of a node, with its own state";
  let description = [{
    Gone after InlineCalls. `name` is the source path of the instance. `when`, `reset`: see time, below; they hold for all
    state of the instance. Results are unspecified while the clock is not active.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<Mlr_Value>:$inputs, Optional<I1>:$when, Optional<I1>:$reset);
  let results = (outs Variadic<Mlr_Value>:$results);
  let assemblyFormat = [{
    $callee `(` $inputs `)` (`when` $when^)? (`reset` $reset^)? attr-dict `:` functional-type($inputs, $results)
  }];
}

def Mlr_ScanOp : Mlr_Op<"scan", [AttrSizedOperandSegments, HasOnlyGraphRegion, RegionKindInterface, SingleBlock,
                                 Mlr_NamedArguments]> {
  let summary = "a run of `length` inner instants within one instant of the enclosing time";
  let description = [{
    The region's argument is the index t: i32 stream 0 .. length-1. Operands of its `mlr.yield` are constants of the scan
    (mlr.stack, mlr.final, mlr.initial, mlr.count results, or captured values) and become the op's results.
    `resume`: state survives from one outer instant to the next. `when` (the clock that the scan stands on): nobody looks at the results while the flag is
    false, and no state advances, so it need not run then. `reset` (with resume, gone after NormalizeTime): see time, below. An `mlr.until` in the region ends the scan early.
    `upto`: run only that many instants (i32, 1..length), the count of an earlier part of the same scan;
    stacked results of such a part are zero beyond.
    After Schedule: `sweep` gives the direction in which the instants are executed; a part of a split scan is a scan.
  }];
  let arguments = (ins Optional<I32>:$upto, Optional<Mlr_Flag>:$when, Optional<Mlr_Flag>:$reset, I64Attr:$length,
                       UnitAttr:$resume, OptionalAttr<Mlr_Direction>:$sweep, OptionalAttr<StrAttr>:$index_name);
  let builders = [OpBuilder<(ins "::mlir::TypeRange":$results, "::mlir::Value":$upto, "int64_t":$length, "bool":$resume,
                                 "DirectionAttr":$sweep, "::mlir::StringAttr":$index_name), [{
    build($_builder, $_state, results, upto, nullptr, nullptr, length, resume, sweep, index_name);
  }]>];
  let results = (outs Variadic<Mlr_Value>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Mlr_ExternOp : Mlr_Op<"extern", [AttrSizedOperandSegments]> {
  let summary = "a call of a C function";
  let description = [{
    `function_type` is that of the function, `arg_names` and `result_names` its names. With `each` it is called once for each
    tuple of these indices, last one fastest: an operand of the function's own type is the same for all, every other one and
    every result has the sizes in front. `when`: as in time, below; where the flag is false it is not called and the results
    are unspecified.
    `pure`: a function of its arguments, which may be called more often or never. Otherwise it is called exactly once at each
    active instant, in ascending order of time and of `rank` (compared number by number) within an instant, where a scan
    stands at the ranks of what is in it.
  }];
  let arguments = (ins StrAttr:$symbol, Variadic<Mlr_Value>:$inputs, Optional<Mlr_Flag>:$when,
                       TypeAttrOf<FunctionType>:$function_type, StrArrayAttr:$arg_names, StrArrayAttr:$result_names,
                       DenseI64ArrayAttr:$each, DenseI64ArrayAttr:$rank, UnitAttr:$pure, OptionalAttr<StrAttr>:$name);
  let results = (outs Variadic<Mlr_Value>:$results);
  let assemblyFormat = [{
    $symbol `(` $inputs `)` (`when` $when^ `:` type($when))? attr-dict `:` functional-type($inputs, $results)
  }];
  let hasVerifier = 1;
}

class Mlr_EndOp<string mnemonic, string what> : Mlr_Op<mnemonic, [Pure, ParentOneOf<["ScanOp"]>,
    AllTypesMatch<["value", "result"]>]> {
  let summary = what;
  let arguments = (ins Mlr_Value:$value);
  let results = (outs Mlr_Value:$result);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}
def Mlr_FinalOp : Mlr_EndOp<"final", "value at the last executed instant; a constant of the scan">;
def Mlr_InitialOp : Mlr_EndOp<"initial", "value at instant 0; a constant of the scan">;
def Mlr_StackOp : Mlr_Op<"stack", [Pure, ParentOneOf<["ScanOp"]>]> {
  let summary = "all values along a new leading axis of the scan's length, zeros after the last executed instant; "
                "a constant of the scan";
  let arguments = (ins Mlr_Value:$value);
  let results = (outs Mlr_Tensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($value) `->` type($result)";
  let hasVerifier = 1;
}
def Mlr_CountOp : Mlr_Op<"count", [Pure, ParentOneOf<["ScanOp"]>]> {
  let summary = "number of executed instants; a constant of the scan";
  let results = (outs I32:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}
def Mlr_UntilOp : Mlr_Op<"until", [ParentOneOf<["ScanOp"]>]> {
  let summary = "ends the scan after the first instant at which the condition is true; at most one a scan";
  let arguments = (ins I1:$condition);
  let assemblyFormat = "$condition attr-dict `:` type($condition)";
}

// ---- time --------------------------------------------------------------------------------------------------
// `name` (optional) is the source path of the state, for NODE_state and reports.
//
// Clocks. `when %on`: the operator knows only the instants of its block at which the flag is true: what is previous, next,
// first and last is meant among them, and its result is unspecified at the others. `reset %r`: at the instants (active or
// not) at which the flag is true a segment begins: at the first active instant from there on everything is as if time began,
// and for eby the segment before ends there. A flag that is a tensor has the leading axes of the operands (behind the axis of
// time, for a window) and speaks for each of its elements alone. InlineCalls combines the flags of a call with those of the
// callee's operators; NormalizeTime makes memories and selections of them.

class Mlr_TimeOp<string mnemonic, list<Trait> traits> : Mlr_Op<mnemonic, !listconcat([Pure, AttrSizedOperandSegments], traits)> {
  let hasVerifier = 1;
}
defvar onClock = "(`when` $when^ `:` type($when))? (`reset` $reset^ `:` type($reset))? attr-dict `:` ";

def Mlr_FbyOp : Mlr_TimeOp<"fby", [AllTypesMatch<["init", "value", "result"]>]> {
  let summary = "init at the first instant, then the previous value; distance +1";
  let arguments = (ins Mlr_Value:$init, Mlr_Value:$value, Optional<Mlr_Flag>:$when, Optional<Mlr_Flag>:$reset,
                       OptionalAttr<StrAttr>:$name);
  let results = (outs Mlr_Value:$result);
  let assemblyFormat = !strconcat("$init `,` $value ", onClock, "type($value)");
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$init, "::mlir::Value":$value, "::mlir::StringAttr":$name), [{
    build($_builder, $_state, type, init, value, nullptr, nullptr, name);
  }]>];
}
def Mlr_EbyOp : Mlr_TimeOp<"eby", [AllTypesMatch<["end", "value", "result"]>]> {
  let summary = "the next value, end at the last executed instant; distance -1";
  let arguments = (ins Mlr_Value:$value, Mlr_Value:$end, Optional<Mlr_Flag>:$when, Optional<Mlr_Flag>:$reset,
                       OptionalAttr<StrAttr>:$name);
  let results = (outs Mlr_Value:$result);
  let assemblyFormat = !strconcat("$value `,` $end ", onClock, "type($value)");
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$value, "::mlir::Value":$end, "::mlir::StringAttr":$name), [{
    build($_builder, $_state, type, value, end, nullptr, nullptr, name);
  }]>];
}
def Mlr_PreOp : Mlr_TimeOp<"pre", [AllTypesMatch<["value", "result"]>]> {
  let summary = "the previous value; unspecified at the first instant, where the checker has proved that nobody reads it";
  let arguments = (ins Mlr_Value:$value, Optional<Mlr_Flag>:$when, Optional<Mlr_Flag>:$reset, OptionalAttr<StrAttr>:$name);
  let results = (outs Mlr_Value:$result);
  let assemblyFormat = !strconcat("$value ", onClock, "type($value)");
}
def Mlr_FirstOp : Mlr_TimeOp<"first", []> {
  let summary = "true at the first instant of the time that it stands in (of the whole stream, if the scan resumes)";
  let arguments = (ins Optional<Mlr_Flag>:$when, Optional<Mlr_Flag>:$reset, OptionalAttr<StrAttr>:$name);
  let results = (outs Mlr_Flag:$result);
  let assemblyFormat = !strconcat(onClock, "type($result)");
  let builders = [OpBuilder<(ins "::mlir::Type":$type), [{
    build($_builder, $_state, type, nullptr, nullptr, nullptr);
  }]>];
}
def Mlr_WindowOp : Mlr_TimeOp<"window", [AllTypesMatch<["value", "init"]>]> {
  let summary = "the last n values, oldest first, n the result's leading size; init is the element before time began";
  let arguments = (ins Mlr_Value:$value, Mlr_Value:$init, Optional<Mlr_Flag>:$when, Optional<Mlr_Flag>:$reset,
                       OptionalAttr<StrAttr>:$name);
  let results = (outs Mlr_Tensor:$result);
  let assemblyFormat = !strconcat("$value `,` $init ", onClock, "type($value) `->` type($result)");
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$value, "::mlir::Value":$init, "::mlir::StringAttr":$name), [{
    build($_builder, $_state, type, value, init, nullptr, nullptr, name);
  }]>];
}
def Mlr_RowsOp : Mlr_Op<"rows", [Pure, AttrSizedOperandSegments, AllTypesMatch<["value", "init"]>]> {
  let summary = "a memory of n rows, of which one is written an instant: the state of a window";
  let description = [{
    Made of windows after Schedule, at the node's own time or in a scan that resumes, and of deferred updates in any sweep. All rows are `init` at first if that
    is a constant, else zeros. At an instant at which `when` is true or absent all rows become `init` if `fill` is true, then row `row`
    (0..n-1) takes the value. The result is the memory after that. `mirror`: the result has 2n rows, and row
    n + r is the same as row r, so that any n rows in a circle stand in one piece.
  }];
  let arguments = (ins Mlr_Value:$value, I32:$row, Mlr_Value:$init, Optional<I1>:$when, Optional<I1>:$fill, UnitAttr:$mirror,
                       OptionalAttr<StrAttr>:$name);
  let results = (outs Mlr_Tensor:$result);
  let assemblyFormat = [{
    $value `at` $row `,` $init (`when` $when^)? (`fill` $fill^)? attr-dict `:` type($value) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Mlr_CellOp : Mlr_Op<"cell"> {
  let summary = "a piece of memory, written by mlr.put: the checkpoints of a sweep";
  let description = [{
    Made by schedule::checkpoint, after which textual order is the order of execution. Every execution is a new piece of
    memory; what has not been put there is unspecified. `name`: the source name of what it keeps.
  }];
  let arguments = (ins OptionalAttr<StrAttr>:$name);
  let results = (outs Mlr_Tensor:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}
def Mlr_PutOp : Mlr_Op<"put"> {
  let summary = "row `row` of a cell becomes the value, if `when` is true";
  let arguments = (ins Mlr_Value:$value, Mlr_Tensor:$cell, I32:$row, I1:$when);
  let assemblyFormat = "$value `into` $cell `at` $row `when` $when attr-dict `:` type($value) `->` type($cell)";
  let hasVerifier = 1;
}

// ---- derivatives ---------------------------------------------------------------------------------------------
// Until Diff. See mlr/Diff.

def Mlr_CutOp : Mlr_Op<"cut", [Pure, AllTypesMatch<["value", "result"]>]> {
  let summary = "the same value, as a variable of derivatives: they look no further";
  let arguments = (ins Mlr_Value:$value);
  let results = (outs Mlr_Value:$result);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}
def Mlr_StopOp : Mlr_Op<"stop", [Pure, AllTypesMatch<["value", "result"]>]> {
  let summary = "the same value, a constant for derivatives";
  let arguments = (ins Mlr_Value:$value);
  let results = (outs Mlr_Value:$result);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}
def Mlr_VjpOp : Mlr_Op<"vjp", [Pure]> {
  let summary = "cotangent times the Jacobian of value with respect to variables (results of mlr.cut), at this instant";
  let description = [{
    `%g = mlr.vjp %e, %bar wrt(%v) : f32, (tensor<3xf32>) -> tensor<3xf32>`. With `batch n` the leading n axes of value and cotangent
    count derivatives side by side: they stand in front of those of each variable in the results.
  }];
  let arguments = (ins Mlr_Value:$value, Mlr_Value:$cotangent, Variadic<Mlr_Value>:$variables,
                       DefaultValuedAttr<I64Attr, "0">:$batch);
  let results = (outs Variadic<Mlr_Value>:$results);
  let assemblyFormat = [{
    $value `,` $cotangent `wrt` `(` $variables `)` attr-dict `:` type($value) `,` type($cotangent) `,` functional-type($variables, $results)
  }];
}
def Mlr_JvpOp : Mlr_Op<"jvp", [Pure, SameVariadicOperandSize, AllTypesMatch<["value", "result"]>]> {
  let summary = "the Jacobian of value with respect to variables (results of mlr.cut) times tangents, at this instant";
  let description = [{ With `batch n` the leading n axes of value and tangents count derivatives side by side. }];
  let arguments = (ins Mlr_Value:$value, Variadic<Mlr_Value>:$variables, Variadic<Mlr_Value>:$tangents,
                       DefaultValuedAttr<I64Attr, "0">:$batch);
  let results = (outs Mlr_Value:$result);
  let assemblyFormat = "$value `wrt` `(` $variables `)` `along` `(` $tangents `)` attr-dict `:` type($value) `,` type($variables) `,` type($tangents)";
}

// ---- tensors -----------------------------------------------------------------------------------------------

def Mlr_ConstOp : Mlr_Op<"const", [Pure, ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "a literal or loaded array";
  let description = [{ A scalar's value is a FloatAttr or IntegerAttr; a tensor's an ElementsAttr (dense, or a dense resource). }];
  let arguments = (ins TypedAttrInterface:$value, OptionalAttr<StrAttr>:$name);
  let results = (outs Mlr_Value:$result);
  let assemblyFormat = "$value attr-dict";
  let hasFolder = 1;
  let builders = [OpBuilder<(ins "::mlir::TypedAttr":$value), [{
    build($_builder, $_state, value.getType(), value, nullptr);
  }]>];
}
def Mlr_GenOp : Mlr_Op<"gen", [Pure, RecursiveMemoryEffects, SingleBlock, Mlr_NamedArguments]> {
  let summary = "a tensor, element by element: one index argument an axis of the result";
  let description = [{
    `%c = mlr.gen (%i, %j) { ...; mlr.yield %e : f32 } : tensor<16x8xf32>`.
    `when %on`: nobody looks at the result while the flag is false, so it need not be computed then.
  }];
  let arguments = (ins Optional<I1>:$when);
  let results = (outs Mlr_Tensor:$result);
  let builders = [OpBuilder<(ins "::mlir::Type":$type), [{ build($_builder, $_state, type, nullptr); }]>];
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}
def Mlr_ReduceOp : Mlr_Op<"reduce", [Pure, RecursiveMemoryEffects, SingleBlock, Mlr_NamedArguments, AttrSizedOperandSegments]> {
  let summary = "a reduction over a static domain: ascending chain, last index fastest";
  let description = [{
    `%s = mlr.reduce sum (%k < 8) { ...; mlr.yield %a, %b : f32, f32 } : f32`. Two yielded values (sum only): the chain is
    acc = fma(a, b, acc) from +0. `tree`: the 16-partial order of whole-tensor sums, element number i in row-major
    order of the domain. Reductions of f16 and bf16 are imported as f32
    reductions of widened elements, rounded once.
    argmax, argmin yield one value and give the i32 flat position of the first of equals, a NaN wins.
    `from %x` (sums that are no trees, in sweeps only): the chain starts from %x instead of +0.
    `when %on`: as of gen.
  }];
  let arguments = (ins Optional<I1>:$when, Optional<Mlr_Scalar>:$init, Mlr_ReduceKind:$kind, DenseI64ArrayAttr:$sizes, UnitAttr:$tree);
  let results = (outs Mlr_Scalar:$result);
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "ReduceKind":$kind, "::llvm::ArrayRef<int64_t>":$sizes, "bool":$tree), [{
    build($_builder, $_state, type, nullptr, nullptr, kind, sizes, tree);
  }]>];
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}
def Mlr_ReadOp : Mlr_Op<"read", [Pure]> {
  let summary = "an element of a tensor at affine indices";
  let description = [{
    `%e = mlr.read %x[affine_map<(d0, d1) -> (d0 + 2 * d1, 3)>](%i, %k) : tensor<..>`. Operands of the map are of type
    index: region arguments of gen and reduce, or mlr.convert of anything else. `clamp`, one flag an axis: the index
    is clamped to 0..N-1; without it the index is known to be inside.
  }];
  let arguments = (ins Mlr_Tensor:$source, AffineMapAttr:$map, Variadic<Index>:$indices,
                       OptionalAttr<DenseBoolArrayAttr>:$clamp);
  let results = (outs Mlr_Scalar:$result);
  let assemblyFormat = "$source `[` $map `]` `(` $indices `)` (`clamp` $clamp^)? attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}
def Mlr_ReshapeOp : Mlr_Op<"reshape", [Pure]> {
  let summary = "the same elements in row-major order";
  let arguments = (ins Mlr_Tensor:$source);
  let results = (outs Mlr_Tensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}
def Mlr_ConcatOp : Mlr_Op<"concat", [Pure]> {
  let summary = "operands one after the other along an axis, by default the leading one";
  let arguments = (ins Variadic<Mlr_Tensor>:$sources, DefaultValuedAttr<I64Attr, "0">:$axis);
  let results = (outs Mlr_Tensor:$result);
  let assemblyFormat = "$sources attr-dict `:` type($sources) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// In how many runs each operand lies in the result: the sizes of the axes in front of that of the concatenation.
    int64_t runs();
  }];
}
def Mlr_ScatterOp : Mlr_Op<"scatter", [Pure, AllTypesMatch<["init", "result"]>]> {
  let summary = "a tensor with updates added at computed places";
  let description = [{
    `%r = mlr.scatter %x add %u at(%k, %l) along [0, 2] : tensor<NxDxMxf32>, tensor<AxBxDxf32>, (tensor<AxBxi32>, tensor<AxBxi32>)`.
    There is one place operand for each axis in `along` (ascending); all have one shape S (i32: scalars if S is empty). The updates
    have the axes of S, then the axes of `init` that are not in `along` (a scalar if there are none of either). In ascending order of
    the tuples s of S, last one fastest, the elements u[s, ..] are added one by one to those of the result whose index on axis
    along[n] is place n at s, clamped to the axis. So each element is a chain from that of `init` in the order of S: the result has
    the same bits everywhere. The adjoint of an mlr.read at computed places; its own adjoint is such a read.
  }];
  let arguments = (ins Mlr_Tensor:$init, Mlr_Value:$updates, Variadic<Mlr_Value>:$places, DenseI64ArrayAttr:$along);
  let results = (outs Mlr_Tensor:$result);
  let assemblyFormat = [{
    $init `add` $updates `at` `(` $places `)` `along` $along attr-dict `:` type($init) `,` type($updates) `,` `(` type($places) `)`
  }];
  let hasVerifier = 1;
}

// ---- scalar operators ----------------------------------------------------------------------------------------
// Semantics: OpKind in mlr/Check/Program.h (total, exact to the bit). Scalars only; tensors use gen.

class Mlr_Unary<string mnemonic> : Mlr_Op<mnemonic, [Pure, SameOperandsAndResultType]> {
  let arguments = (ins Mlr_Scalar:$value);
  let results = (outs Mlr_Scalar:$result);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}
class Mlr_Binary<string mnemonic> : Mlr_Op<mnemonic, [Pure, SameOperandsAndResultType]> {
  let arguments = (ins Mlr_Scalar:$lhs, Mlr_Scalar:$rhs);
  let results = (outs Mlr_Scalar:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}
class Mlr_Compare<string mnemonic> : Mlr_Op<mnemonic, [Pure, SameTypeOperands]> {
  let arguments = (ins Mlr_Scalar:$lhs, Mlr_Scalar:$rhs);
  let results = (outs I1:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs)";
}
def Mlr_AddOp : Mlr_Binary<"add">;
def Mlr_SubOp : Mlr_Binary<"sub">;
def Mlr_MulOp : Mlr_Binary<"mul">;
def Mlr_DivOp : Mlr_Binary<"div">;
def Mlr_RemOp : Mlr_Binary<"rem">;
def Mlr_MinOp : Mlr_Binary<"min">;
def Mlr_MaxOp : Mlr_Binary<"max">;
def Mlr_NegOp : Mlr_Unary<"neg">;
def Mlr_AbsOp : Mlr_Unary<"abs">;
def Mlr_SqrtOp : Mlr_Unary<"sqrt">;
def Mlr_FloorOp : Mlr_Unary<"floor">;
def Mlr_CeilOp : Mlr_Unary<"ceil">;
def Mlr_TruncOp : Mlr_Unary<"trunc">;
def Mlr_RoundEvenOp : Mlr_Unary<"round_even">;
def Mlr_FmaOp : Mlr_Op<"fma", [Pure, SameOperandsAndResultType]> {
  let arguments = (ins Mlr_Scalar:$a, Mlr_Scalar:$b, Mlr_Scalar:$c);
  let results = (outs Mlr_Scalar:$result);
  let assemblyFormat = "$a `,` $b `,` $c attr-dict `:` type($result)";
}
def Mlr_LtOp : Mlr_Compare<"lt">;
def Mlr_GtOp : Mlr_Compare<"gt">;
def Mlr_LeOp : Mlr_Compare<"le">;
def Mlr_GeOp : Mlr_Compare<"ge">;
def Mlr_EqOp : Mlr_Compare<"eq">;
def Mlr_NeOp : Mlr_Compare<"ne">;
def Mlr_AndOp : Mlr_Binary<"and">;   // i1: logical; integers: bitwise
def Mlr_OrOp : Mlr_Binary<"or">;
def Mlr_XorOp : Mlr_Binary<"xor">;
def Mlr_NotOp : Mlr_Unary<"not">;
def Mlr_ShlOp : Mlr_Binary<"shl">;
def Mlr_ShrOp : Mlr_Binary<"shr">;
def Mlr_SelectOp : Mlr_Op<"select", [Pure, AllTypesMatch<["yes", "no", "result"]>]> {
  let arguments = (ins I1:$condition, Mlr_Scalar:$yes, Mlr_Scalar:$no);
  let results = (outs Mlr_Scalar:$result);
  let assemblyFormat = "$condition `,` $yes `,` $no attr-dict `:` type($result)";
}
def Mlr_BitcastOp : Mlr_Op<"bitcast", [Pure]> {
  let arguments = (ins Mlr_Scalar:$value);
  let results = (outs Mlr_Scalar:$result);
  let assemblyFormat = "$value attr-dict `:` type($value) `to` type($result)";
}
def Mlr_ConvertOp : Mlr_Op<"convert", [Pure]> {
  let summary = "numeric conversion; from and to index too (index values are known to fit)";
  let arguments = (ins Mlr_Scalar:$value);
  let results = (outs Mlr_Scalar:$result);
  let assemblyFormat = "$value attr-dict `:` type($value) `to` type($result)";
}

#endif
