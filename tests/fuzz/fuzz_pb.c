/* fuzz_pb.c - what the protobuf reader takes must read the same after being written again. */
#include "codec/pb.h"
#include "fuzz.h"
#include <stdlib.h>

static bool same_field(const struct pb_field *a, const struct pb_field *b)
{
    return a->number == b->number && a->wire == b->wire && a->varint == b->varint &&
           str_eq(a->bytes, b->bytes);
}

/* Fixed fields but doubles have no writer: they are left out. */
static bool write_field(struct buf *out, const struct pb_field *f)
{
    double d;

    switch (f->wire) {
    case PB_VARINT:
        pb_put_uint(out, f->number, f->varint);
        return true;
    case PB_FIXED64:
        memcpy(&d, &f->varint, sizeof(d));
        pb_put_double(out, f->number, d);
        return true;
    case PB_BYTES: {
        size_t mark = pb_begin(out, f->number);

        buf_str(out, f->bytes);
        pb_end(out, mark);
        return true;
    }
    default:
        return false;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pb_reader r = pb_reader((struct str){(const char *)data, size});
    struct pb_field f, again;
    struct err err = {0};

    while (pb_next(&r, &f, &err) == 1) {
        auto_buf out = {0};
        struct pb_reader back;

        if (!write_field(&out, &f))
            continue;
        back = pb_reader(buf_view(&out));
        if (pb_next(&back, &again, &err) != 1 || !same_field(&f, &again) ||
            pb_next(&back, &again, &err) != 0)
            abort();
    }
    return 0;
}
