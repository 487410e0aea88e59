/* fuzz.h - what every fuzz target defines. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/** Feeds one input to what is under test; crashes or aborts on a fault, else returns 0.
 *  The bytes are borrowed. Called by libFuzzer or by replay.c; one thread. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
