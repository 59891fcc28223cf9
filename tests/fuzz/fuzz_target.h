/* The entry point every fuzz_*.c defines and libFuzzer or replay_main.c calls. */
#ifndef TESS_TESTS_FUZZ_TARGET_H
#define TESS_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Tries one input. Returns 0; crashes, leaks and failed asserts are the findings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
