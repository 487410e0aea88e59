/* test.h - what every cmocka test includes, in the order that cmocka needs. */
#pragma once
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define assert_str_equal(s, z)                                                        \
    do {                                                                              \
        struct str got_ = (s);                                                        \
        char *copy_ = xmemdupz(got_.p ? got_.p : "", got_.len);                       \
        assert_string_equal(copy_, (z));                                              \
        free(copy_);                                                                  \
    } while (0)
#define assert_ok(call, err)                                                          \
    do {                                                                              \
        int r_ = (call);                                                              \
        if (r_ < 0)                                                                   \
            fail_msg("%s: %d %s", #call, r_, (err)->msg);                             \
    } while (0)
