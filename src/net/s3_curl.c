/* SPDX-License-Identifier: Apache-2.0 */
#include "net/s3_curl.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

int s3_curl_load(struct s3_curl *ret_k, struct err *err)
{
    /* It stays: libraries below it leave things behind that want their code at the end. */
    void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), *p;
    const char *missing = NULL;

    if (!lib)
        return err_new(err, ERR_UNAVAILABLE, "S3 needs " LIBRARY " (package libcurl4): %.200s",
                       dlerror());
#define X(name)                                                                                   \
    p = dlsym(lib, "curl_" #name);                                                                \
    memcpy(&ret_k->name, &p, sizeof(p));                                                          \
    if (!p)                                                                                       \
        missing = "curl_" #name;
    S3_CURL_FUNCTIONS(X)
#undef X
    (void)dlclose(lib);
    return missing ? err_new(err, ERR_UNAVAILABLE, LIBRARY " has no %s", missing) : 0;
}
