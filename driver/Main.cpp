// mlrc: the command line of MLR.
#include "driver/Commands.h"

#include <cstdio>
#include <pthread.h>

namespace {

struct Task {
  const mlr::driver::CommandLine *options;
  int code = 1;
};

void *runTask(void *argument) {
  auto *task = static_cast<Task *>(argument);
  task->code = mlr::driver::execute(*task->options);
  return nullptr;
}

} // namespace

/// The parser bounds the depth of trees, but the recursion over the deepest one needs more than a default stack: the work
/// runs on a thread with a large one (reserved, not committed).
int main(int argc, char **argv) {
  mlr::driver::CommandLine options;
  if (auto code = mlr::driver::parseCommandLine(argc, argv, options)) return *code;
  Task task{&options};
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, size_t(512) << 20);
  if (pthread_create(&thread, &attributes, runTask, &task) != 0) {
    std::fprintf(stderr, "mlrc: no memory for a stack\n");
    return 1;
  }
  pthread_join(thread, nullptr);
  return task.code;
}
