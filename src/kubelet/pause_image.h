/* pause_image.h - the sandbox image that the build makes: an OCI archive for import.
 * Layer: kubelet. Threads: any; constant. */
#pragma once
#include <stddef.h>

extern const unsigned char pause_image[];
extern const size_t pause_image_len;
