# lit tests: RUN lines in *.mlir. Parameters: bin (our tools), llvm (FileCheck, not), out (where results go).
import os
import lit.formats

config.name = "MLR"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = lit_config.params["out"]
config.environment["PATH"] = os.pathsep.join(
    [lit_config.params["bin"], lit_config.params["llvm"], config.environment.get("PATH", "")])
