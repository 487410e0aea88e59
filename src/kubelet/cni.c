/* SPDX-License-Identifier: Apache-2.0 */
/* cni.c - the pod network of one node: a bridge, addresses of the node's range, host ports. */
#include "base/buf.h"
#include "kubelet/containerd.h"
#include "kubelet/files.h"

#include <sys/stat.h>

/* Forwarding between pods and the world; bridge traffic need not pass the IP rules. */
static int enable_forwarding(struct err *err)
{
    auto_arena a = {0};
    struct str text;
    int r = kfile_read("/proc/sys/net/ipv4/ip_forward", 16, &a, &text, err);

    if (r < 0)
        return r;
    if (str_eq(str_trim(text), STR("1")))
        return 0;
    return kfile_set("/proc/sys/net/ipv4/ip_forward", "1", err);
}

int cni_write_config(const char *conf_dir, const char *bridge, const char *pod_cidr,
                     bool masquerade, struct err *err)
{
    auto_arena a = {0};
    auto_buf b = {0};
    int r = kfolder_make(conf_dir, 0755, err);

    if (r < 0)
        return r;
    r = enable_forwarding(err);
    if (r < 0)
        return err_wrap(err, r, "pods need IP forwarding");
    buf_printf(&b,
               "{\n  \"cniVersion\": \"0.4.0\",\n  \"name\": \"skiff\",\n  \"plugins\": [\n"
               "    {\n      \"type\": \"bridge\",\n      \"bridge\": \"%s\",\n"
               "      \"isGateway\": true,\n      \"ipMasq\": %s,\n      \"hairpinMode\": true,\n"
               "      \"ipam\": {\n        \"type\": \"host-local\",\n"
               "        \"dataDir\": \"/var/lib/cni/networks\",\n"
               "        \"ranges\": [[{\"subnet\": \"%s\"}]],\n"
               "        \"routes\": [{\"dst\": \"0.0.0.0/0\"}]\n      }\n    },\n"
               "    {\n      \"type\": \"portmap\",\n"
               "      \"capabilities\": {\"portMappings\": true}\n"
               "    }\n  ]\n}\n",
               bridge, masquerade ? "true" : "false", pod_cidr);
    return kfile_write(arena_printf(&a, "%s/10-skiff.conflist", conf_dir), buf_view(&b), 0644, err);
}
