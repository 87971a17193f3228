/* A plugin of qemu that counts instructions between two addresses: from each time that `begin` is executed up to, without,
   the next `end`, calls included; one line a time into the file `out`.

     qemu-system-arm .. -plugin ./count.so,begin=0x1234,end=0x5678,out=counts.txt

   Blocks of translated code are counted as a whole. That is exact if `begin` and `end` start a block, as the target of a call
   and the place to which it returns do, and nothing in between raises exceptions. Conditional instructions (IT) count whether
   or not they take effect. qemu-plugin.h is not packaged everywhere, so what is used of it is declared here (qemu 4.2 .. 8.2:
   interface version 1 or less). */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), enum qemu_plugin_cb_flags, void *);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;

static uint64_t begin, end, counted;
static bool active;
static FILE *out;

static void begins(unsigned cpu, void *n) {
  (void)cpu;
  active = true;
  counted = (uintptr_t)n;
}

static void ends(unsigned cpu, void *n) {
  (void)cpu;
  (void)n;
  if (active) fprintf(out, "%" PRIu64 "\n", counted);
  active = false;
}

static void runs(unsigned cpu, void *n) {
  (void)cpu;
  if (active) counted += (uintptr_t)n;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  uint64_t at = qemu_plugin_tb_vaddr(tb);
  void *n = (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb);
  qemu_plugin_register_vcpu_tb_exec_cb(tb, at == begin ? begins : at == end ? ends : runs, QEMU_PLUGIN_CB_NO_REGS, n);
}

static void done(qemu_plugin_id_t id, void *unused) {
  (void)id;
  (void)unused;
  fclose(out);
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
  (void)info;
  for (int i = 0; i < argc; ++i) {
    if (!strncmp(argv[i], "begin=", 6)) begin = strtoull(argv[i] + 6, NULL, 0);
    if (!strncmp(argv[i], "end=", 4)) end = strtoull(argv[i] + 4, NULL, 0);
    if (!strncmp(argv[i], "out=", 4)) out = fopen(argv[i] + 4, "w");
  }
  if (!out) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, done, NULL);
  return 0;
}
