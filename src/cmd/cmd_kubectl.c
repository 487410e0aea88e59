/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"
#include "kubectl/main.h"

int cmd_kubectl(int argc, char **argv)
{
    return kubectl_main(argc, argv);
}
