/* fuzz_dns.c - any bytes as a question about the cluster: what is understood is answered, within
 * the size asked for and with the question's id, by a message that can be read again. */
#include "dns/message.h"
#include "fuzz.h"
#include <ldns/ldns.h>
#include <stdlib.h>

#define META(name)                                                        \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"d\",\"resourceVersion\":\"1\"},"

static void put(struct omap *m, const struct resource *res, struct str json)
{
    struct object *o;
    struct err err = {0};

    if (object_from_wire(res, json, &o, &err) < 0)
        abort();
    (void)omap_put(m, o);
    (void)object_unref(o);
}

static void make_maps(struct omap *services, struct omap *endpoints)
{
    omap_init(services, &object_omap_ops);
    omap_init(endpoints, &object_omap_ops);
    put(services, &res_core_services,
        STR(META("w") "\"spec\":{\"clusterIP\":\"10.96.0.20\",\"ports\":[{\"name\":\"h\","
                      "\"port\":80}]}}"));
    put(services, &res_core_services,
        STR(META("b") "\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"name\":\"s\","
                      "\"port\":54}]}}"));
    put(services, &res_core_services,
        STR(META("x") "\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"example.com\"}}"));
    put(endpoints, &res_core_endpoints,
        STR(META("b") "\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.5\",\"hostname\":\"b-0\"},"
                      "{\"ip\":\"10.0.0.6\"}],\"ports\":[{\"name\":\"s\",\"port\":54}]}]}"));
}

static void check(const struct buf *out, size_t max, uint16_t id)
{
    ldns_pkt *pkt = NULL;

    if (out->len == 0 || out->len > max ||
        ldns_wire2pkt(&pkt, (const uint8_t *)out->p, out->len) != LDNS_STATUS_OK)
        abort();
    if (ldns_pkt_id(pkt) != id || !ldns_pkt_qr(pkt) ||
        ldns_rr_list_rr_count(ldns_pkt_question(pkt)) != 1)
        abort();
    ldns_pkt_free(pkt);
}

static void ask(struct str bytes)
{
    auto_arena a = {0};
    auto_buf out = {0};
    struct omap services, endpoints;
    struct zone zone = {STR("c.l"), &services, &endpoints};
    struct question q;
    struct answer answer;
    struct err err = {0};

    if (message_question(bytes, &a, &q, &err) < 0) {
        message_error(bytes, MESSAGE_FORMAT_ERROR, &out);
        return;
    }
    make_maps(&services, &endpoints);
    zone_answer(&zone, q.name, q.known_type ? q.record : RECORD_TXT, &a, &answer);
    message_answer(&q, &zone, &answer, q.reply_max, &out);
    check(&out, q.reply_max, q.id);
    omap_deinit(&services);
    omap_deinit(&endpoints);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ask((struct str){(const char *)data, size});
    return 0;
}
