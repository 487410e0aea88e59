/* core_event.c - hooks of Event. Layer: api. */
#include "api/api.h"

struct str core_event_source(const void *obj, struct arena *a)
{
    const struct core_event *ev = obj;

    (void)a;
    return str_empty(ev->source.component) ? ev->reporting_component : ev->source.component;
}
