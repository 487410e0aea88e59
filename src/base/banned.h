/* banned.h - force-included everywhere: calls that have a safer or a simulable replacement. */
#pragma once
/* Not poisoned: OpenSSL's headers have parameters of this name. Before libc's declaration, or
 * clang refuses the attribute. */
int rand(void) __attribute__((error("use base/random.h")));
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok strncpy strncat
#pragma GCC poison srand drand48
