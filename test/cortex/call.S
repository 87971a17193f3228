@ Calls of the node with painted stack: uint32_t measured_step(state, scratch, in, out) and measured_reset(state) return how many
@ bytes of stack the call used, those of the functions that it calls included: the deepest word that no longer has its paint. The
@ frame of the caller, where the return address would stand, does not count. PAINTED in all means: that much or more.
  .syntax unified
  .thumb
  .text

  .macro measured name, callee, returned
  .global \name, \returned
  .type \name, %function
\name:
  push {r3-r7, lr}
  mov r4, sp
  ldr r5, =PAINTED
  subs r5, r4, r5
  ldr r6, =0xC5A7C5A7
  mov r7, r5
1:str r6, [r7], #4
  cmp r7, r4
  blo 1b
  bl \callee
\returned:
  mov r7, r5
2:cmp r7, r4
  bhs 3f
  ldr r0, [r7]
  cmp r0, r6
  bne 3f
  adds r7, #4
  b 2b
3:subs r0, r4, r7
  pop {r3-r7, pc}
  .ltorg
  .endm

  measured measured_step, NODE_STEP, step_returned
  measured measured_reset, NODE_RESET, reset_returned
