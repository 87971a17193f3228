// What each subcommand does.
#pragma once

#include "driver/CommandLine.h"

namespace mlr::driver {

/// Executes a parsed command line; returns the exit code: 0, or 1 after an error that was told on standard error.
int execute(const CommandLine &options);

int runProgram(const CommandLine &options);   ///< run and interp, in Run.cpp
int buildProgram(const CommandLine &options); ///< build, in Build.cpp

} // namespace mlr::driver
