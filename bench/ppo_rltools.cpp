// RLtools' PPO on Pendulum in the configuration of their example (included for that; BENCHMARK: no evaluations in between), as a library
// that bench/ppo.py calls and times. ACTIVATION: RELU, which is theirs, or TANH, which is that of examples/13-ppo.
#define BENCHMARK
#define main example
#include <rl_tools/operations/cpu_mux.h>

#include <rl_tools/nn/optimizers/adam/instance/operations_generic.h>

#include <rl_tools/nn/operations_cpu_mux.h> // without this their example multiplies matrices by plain loops, whatever the BLAS

#include "training.cpp"
#undef main

#include <cstdint>
#include <ctime>

struct Parameters : CONFIG::LOOP_CORE_PARAMETERS {
  static constexpr auto ACTOR_ACTIVATION_FUNCTION = rlt::nn::activation_functions::ActivationFunction::ACTIVATION;
  static constexpr auto CRITIC_ACTIVATION_FUNCTION = ACTOR_ACTIVATION_FUNCTION;
};
using Loop = rlt::rl::algorithms::ppo::loop::core::Config<TYPE_POLICY, TI, CONFIG::RNG, CONFIG::ENVIRONMENT, Parameters,
                                                          rlt::rl::algorithms::ppo::loop::core::ConfigApproximatorsSequential, true>;
using State = Loop::State<Loop>;
using Spec = rlt::rl::utils::evaluation::Specification<TYPE_POLICY, TI, CONFIG::ENVIRONMENT, 100, CONFIG::ENVIRONMENT::EPISODE_STEP_LIMIT>;
using Policy = rlt::utils::typing::remove_reference_t<decltype(rlt::get_actor(std::declval<State>()))>;
using Buffer = rlt::rl::utils::evaluation::PolicyBuffer<rlt::rl::utils::evaluation::PolicyBufferSpecification<Spec, Policy, true>>;

static DEVICE device;
static State state;

/// An agent that has learned nothing.
extern "C" void begin(uint64_t seed) {
  static bool isFirst = true;
  if (isFirst) rlt::malloc(device, state);
  isFirst = false;
  rlt::init(device, state, seed);
}

/// Nanoseconds on the processor that `n` rollouts of 4 x 1,024 instants took, with what is learned from them.
extern "C" int64_t learn(int64_t n) {
  timespec start, end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  for (int64_t i = 0; i < n; ++i) rlt::step(device, state);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  return (end.tv_sec - start.tv_sec) * 1000000000 + (end.tv_nsec - start.tv_nsec);
}

/// The mean sum of rewards of 100 episodes.
extern "C" double score() {
  static Buffer buffer;
  rlt::malloc(device, buffer);
  rlt::rl::utils::evaluation::Result<Spec> result;
  auto actor = rlt::get_actor(state);
  rlt::evaluate(device, rlt::get_ref(device, state.envs, 0), state.ui, actor, buffer, result, state.rng,
                rlt::Mode<rlt::mode::Evaluation<>>{});
  rlt::free(device, buffer);
  return result.returns_mean;
}
