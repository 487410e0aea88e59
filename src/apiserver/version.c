/* version.c - GET /version. */
#include "apiserver/stages.h"

#if defined(__x86_64__)
#define PLATFORM "linux/amd64"
#elif defined(__aarch64__)
#define PLATFORM "linux/arm64"
#elif defined(__arm__)
#define PLATFORM "linux/arm"
#elif defined(__riscv)
#define PLATFORM "linux/riscv64"
#else
#define PLATFORM "linux/unknown"
#endif
#if defined(__clang__)
#define COMPILER "clang"
#else
#define COMPILER "gcc"
#endif

enum stage_result stage_version(struct request *rq)
{
    /* The API is that of this release; what stands behind '+' says whose it is. */
    static const char body[] =
        "{\n"
        "  \"major\": \"1\",\n"
        "  \"minor\": \"36\",\n"
        "  \"emulationMajor\": \"1\",\n"
        "  \"emulationMinor\": \"36\",\n"
        "  \"minCompatibilityMajor\": \"1\",\n"
        "  \"minCompatibilityMinor\": \"35\",\n"
        "  \"gitVersion\": \"v1.36.2+skiff." SKIFF_VERSION "\",\n"
        "  \"gitCommit\": \"\",\n"
        "  \"gitTreeState\": \"clean\",\n"
        "  \"buildDate\": \"1970-01-01T00:00:00Z\",\n"
        "  \"goVersion\": \"none\",\n"
        "  \"compiler\": \"" COMPILER "\",\n"
        "  \"platform\": \"" PLATFORM "\"\n"
        "}";

    return request_answer_bytes(rq, 200, "application/json", str_from(body));
}
