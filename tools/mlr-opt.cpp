// Reads .mlir text, runs the passes that the command line names, prints the result.
#include "mlr/Dataflow/Passes.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlr::dataflow::MlrDialect, mlir::func::FuncDialect, mlir::scf::SCFDialect, mlir::arith::ArithDialect,
                  mlir::math::MathDialect, mlir::memref::MemRefDialect, mlir::vector::VectorDialect>();
  mlr::dataflow::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "MLR optimizer driver\n", registry));
}
