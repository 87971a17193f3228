// What a restored memory is held to.
#include "mlr/Store/Limits.h"

#include "Fixture.h"

using namespace mlir;
using namespace mlr::dataflow;
using namespace mlr::store;
using namespace mlr::store::test;

/// Of the first memory in a node of inputs %d: i1, %x: i32, whose memory %m begins with %zero and goes on with %v.
static int64_t limitIn(const std::string &body) {
  Parsed p("mlr.node @f(%d: i1, %x: i32) -> (y: i32) {\n"
           "%zero = mlr.const 0 : i32\n%one = mlr.const 1 : i32\n%four = mlr.const 4 : i32\n%seven = mlr.const 7 : i32\n"
           "%m = mlr.fby %zero, %v : i32\n%next = mlr.add %m, %one : i32\n" + body + "\nmlr.yield %m : i32\n}");
  EXPECT_TRUE(p.node);
  if (!p.node) return -1;
  int64_t limit = -1;
  p.node.walk([&](FbyOp op) { limit = limitOf(op); });
  return limit;
}

TEST(Limits, ACounterThatWrapsStaysBelowWhereItWraps) {
  EXPECT_EQ(limitIn("%e = mlr.eq %next, %four : i32\n%v = mlr.select %e, %zero, %next : i32"), 4);
}
TEST(Limits, AMemoryThatMayWaitKeepsItsLimit) {
  EXPECT_EQ(limitIn("%e = mlr.eq %next, %four : i32\n%w = mlr.select %e, %zero, %next : i32\n%v = mlr.select %d, %w, %m : i32"), 4);
}
TEST(Limits, ASegmentEndsAtItsCapacityOrBefore) {
  EXPECT_EQ(limitIn("%g = mlr.ge %m, %four : i32\n%e = mlr.or %d, %g : i1\n%v = mlr.select %e, %zero, %next : i32"), 5);
}
TEST(Limits, AStateIsOneOfThoseThatAreNamed) {
  EXPECT_EQ(limitIn("%v = mlr.select %d, %seven, %one : i32"), 8);
}
TEST(Limits, WhatCountsWithoutEndHasNone) { EXPECT_EQ(limitIn("%v = mlr.select %d, %next, %zero : i32"), 0); }
TEST(Limits, WhatCountsPastTheNumberThatStopsItHasNone) {
  EXPECT_EQ(limitIn("%e = mlr.eq %next, %four : i32\n%w = mlr.select %e, %zero, %next : i32\n%v = mlr.select %d, %w, %seven : i32"), 0);
}
TEST(Limits, WhatComesFromOutsideHasNone) { EXPECT_EQ(limitIn("%v = mlr.select %d, %x, %zero : i32"), 0); }
