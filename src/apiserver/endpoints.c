/* endpoints.c - the paths that are no resources. */
#include "apiserver/stages.h"

const struct endpoint endpoints[] = {
    {"/", false, stage_root_paths},
    {"/api", false, stage_api_versions},
    {"/api", true, stage_api_resources},
    {"/apis", false, stage_api_groups},
    {"/apis", true, stage_api_resources},
    {"/healthz", true, stage_health},
    {"/livez", true, stage_health},
    {"/metrics", false, stage_metrics},
    {"/openapi/v2", false, stage_openapi_v2},
    {"/openapi/v3", true, stage_openapi_v3},
    {"/openid/v1/jwks", false, stage_openid_jwks},
    {"/readyz", true, stage_health},
    {"/skiff/v1/snapshot", false, stage_backup},
    {"/version", false, stage_version},
    {"/.well-known/openid-configuration", false, stage_openid_configuration},
    {NULL, false, NULL},
};
