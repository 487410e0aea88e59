/* validate.h - the checks and columns that the files of this folder share. Internal to api/.
 * Layer: api. Threads: any; all are pure. */
#pragma once
#include "api/api.h"
