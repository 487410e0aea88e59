/* write_hooks.c - the kinds whose writes change more than themselves. */
#include "apiserver/write.h"

const struct write_hook write_hooks[] = {
    {&res_core_services, service_alloc_create, service_alloc_update, service_alloc_remove},
    {NULL, NULL, NULL, NULL},
};

const struct write_hook *write_hook_find(const struct resource *res)
{
    for (const struct write_hook *h = write_hooks; h->res; h++) {
        if (h->res == res)
            return h;
    }
    return NULL;
}
