/* A Cortex-M before main: stack, floating-point unit on, then newlib's start-up, which talks to qemu by semihosting. */
#include <stdint.h>

extern void _start(void);
extern uint32_t stack_top;

static void start(void) {
  *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: full access to CP10 and CP11 */
  __asm volatile("dsb\n isb");
  _start();
}

static void fault(void) {
  for (;;) __asm volatile("bkpt 0xff"); /* ends the emulation with an error */
}

__attribute__((section(".vectors"), used)) const void *const vectors[16] = {
    &stack_top, (void *)start, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault};
