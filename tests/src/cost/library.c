/* A libcuda.so.1 of three empty functions, one for each class of first instruction that a probe meets. */
#define FUNCTION(name, first, last)                                             \
	__asm__(".globl " name "\n.type " name ", @function\n" name ":\n" first     \
		"\n\txor %eax, %eax\n" last "\n\tret\n.size " name ", .-" name "\n")

/* Emulated by the kernel. */
FUNCTION("cuCtxSynchronize", "push %rbp", "pop %rbp");
/* From 6.18 on replaced by a call. */
FUNCTION("cuStreamSynchronize", ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00", "");
/* Executed out of line, with a trap after it. */
FUNCTION("cuEventSynchronize", "mov $1, %eax", "");
