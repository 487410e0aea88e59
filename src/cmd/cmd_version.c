/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdio.h>

int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("skiff %s (Kubernetes API v1.36)\n", SKIFF_VERSION);
    return 0;
}
