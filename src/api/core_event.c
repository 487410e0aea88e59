/* core_event.c - hooks of Event, and events.k8s.io as a view of the stored core Event.
 * Layer: api. */
#include "api/api.h"

struct str core_event_source(const void *obj, struct arena *a)
{
    const struct core_event *ev = obj;

    (void)a;
    return str_empty(ev->source.component) ? ev->reporting_component : ev->source.component;
}

void events_event_from_core(const void *stored, void *obj, struct arena *a)
{
    const struct core_event *in = stored;
    struct events_event *out = obj;

    out->metadata = in->metadata;
    out->event_time = in->event_time;
    out->reporting_controller = in->reporting_component;
    out->reporting_instance = in->reporting_instance;
    out->action = in->action;
    out->reason = in->reason;
    out->regarding = in->involved_object;
    out->related = in->related;
    out->note = in->message;
    out->type = in->type;
    out->deprecated_source = in->source;
    out->deprecated_first_timestamp = in->first_timestamp;
    out->deprecated_last_timestamp = in->last_timestamp;
    out->deprecated_count = in->count;
    if (in->series) {
        out->series = arena_new(a, struct events_event_series);
        out->series->count = in->series->count;
        out->series->last_observed_time = in->series->last_observed_time;
    }
}

void events_event_to_core(const void *obj, void *stored, struct arena *a)
{
    const struct events_event *in = obj;
    struct core_event *out = stored;

    out->metadata = in->metadata;
    out->event_time = in->event_time;
    out->reporting_component = in->reporting_controller;
    out->reporting_instance = in->reporting_instance;
    out->action = in->action;
    out->reason = in->reason;
    out->involved_object = in->regarding;
    out->related = in->related;
    out->message = in->note;
    out->type = in->type;
    out->source = in->deprecated_source;
    out->first_timestamp = in->deprecated_first_timestamp;
    out->last_timestamp = in->deprecated_last_timestamp;
    out->count = in->deprecated_count;
    if (in->series) {
        out->series = arena_new(a, struct core_event_series);
        out->series->count = in->series->count;
        out->series->last_observed_time = in->series->last_observed_time;
    }
}
