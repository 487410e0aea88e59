/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/message.h"

#include <ldns/ldns.h>

enum { HEADER_BYTES = 12, UDP_MIN = 512, UDP_MAX = 1232 };

static bool record_of(ldns_rr_type t, enum record_type *ret_type)
{
    static const struct {
        ldns_rr_type wire;
        enum record_type type;
    } known[] = {{LDNS_RR_TYPE_A, RECORD_A},     {LDNS_RR_TYPE_SRV, RECORD_SRV},
                 {LDNS_RR_TYPE_PTR, RECORD_PTR}, {LDNS_RR_TYPE_CNAME, RECORD_CNAME},
                 {LDNS_RR_TYPE_TXT, RECORD_TXT}, {LDNS_RR_TYPE_SOA, RECORD_SOA},
                 {LDNS_RR_TYPE_NS, RECORD_NS}};

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (known[i].wire == t) {
            *ret_type = known[i].type;
            return true;
        }
    }
    return false;
}

static struct str lower_name(struct arena *a, const ldns_rdf *owner, struct str *ret_asked)
{
    char *text = ldns_rdf2str(owner), *copy;
    size_t n;

    if (!text)
        return STR_NULL;
    *ret_asked = str_from(arena_strdup(a, text));
    copy = arena_strdup(a, text);
    free(text);
    n = strlen(copy);
    for (char *p = copy; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
    if (n > 0 && copy[n - 1] == '.')
        n--;
    return (struct str){copy, n};
}

int message_question(struct str bytes, struct arena *a, struct question *ret_q, struct err *err)
{
    ldns_pkt *pkt = NULL;
    const ldns_rr *rr;
    int r = 0;

    if (bytes.len < HEADER_BYTES ||
        ldns_wire2pkt(&pkt, (const uint8_t *)bytes.p, bytes.len) != LDNS_STATUS_OK)
        return err_new(err, ERR_PARSE, "malformed message");
    if (ldns_pkt_qr(pkt) || ldns_pkt_get_opcode(pkt) != LDNS_PACKET_QUERY ||
        ldns_rr_list_rr_count(ldns_pkt_question(pkt)) != 1) {
        ldns_pkt_free(pkt);
        return err_new(err, ERR_PARSE, "not a query with one question");
    }
    rr = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
    *ret_q = (struct question){.id = ldns_pkt_id(pkt),
                               .flags = ldns_pkt_rd(pkt),
                               .type = (uint16_t)ldns_rr_get_type(rr),
                               .class_ = (uint16_t)ldns_rr_get_class(rr),
                               .reply_max = UDP_MIN,
                               .edns = ldns_pkt_edns(pkt)};
    ret_q->name = lower_name(a, ldns_rr_owner(rr), &ret_q->asked);
    if (ret_q->edns)
        ret_q->reply_max = MIN(MAX((size_t)ldns_pkt_edns_udp_size(pkt), (size_t)UDP_MIN),
                               (size_t)UDP_MAX);
    ret_q->known_type = record_of(ldns_rr_get_type(rr), &ret_q->record);
    if (!ret_q->name.p)
        r = err_new(err, ERR_PARSE, "the name cannot be read");
    ldns_pkt_free(pkt);
    return r;
}

static const char *const type_names[] = {
    [RECORD_A] = "A",         [RECORD_SRV] = "SRV", [RECORD_PTR] = "PTR", [RECORD_CNAME] = "CNAME",
    [RECORD_TXT] = "TXT", [RECORD_SOA] = "SOA", [RECORD_NS] = "NS",
};

static ldns_rr *make_record(const struct record *r)
{
    auto_arena a = {0};
    ldns_rr *rr = NULL;
    char *text = arena_printf(&a, "%.*s %d IN %s %.*s", STR_ARG(r->owner), ZONE_TTL_SEC,
                              type_names[r->type], STR_ARG(r->data));

    /* Names of objects are checked when they are made; what cannot be written is left out. */
    return ldns_rr_new_frm_str(&rr, text, ZONE_TTL_SEC, NULL, NULL) == LDNS_STATUS_OK ? rr : NULL;
}

static bool add_question(ldns_pkt *pkt, const struct question *q)
{
    auto_arena a = {0};
    ldns_rdf *owner = ldns_dname_new_frm_str(str_dupz(&a, q->asked));
    ldns_rr *rr;

    if (!owner)
        return false;
    rr = ldns_rr_new();
    ldns_rr_set_owner(rr, owner);
    ldns_rr_set_type(rr, (ldns_rr_type)q->type);
    ldns_rr_set_class(rr, (ldns_rr_class)q->class_);
    ldns_rr_set_question(rr, true);
    return ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, rr);
}

static void add_soa(ldns_pkt *pkt, const struct zone *z)
{
    auto_arena a = {0};
    struct str apex = str_printf(&a, "%.*s.", STR_ARG(z->domain));
    struct record soa = {RECORD_SOA, apex,
                         str_printf(&a, "ns.dns.%.*s hostmaster.%.*s 1 7200 1800 86400 %d",
                                    STR_ARG(apex), STR_ARG(apex), ZONE_TTL_SEC), false};
    ldns_rr *rr = make_record(&soa);

    if (rr)
        (void)ldns_pkt_push_rr(pkt, LDNS_SECTION_AUTHORITY, rr);
}

/* Writes @pkt into @out if it has at most @max bytes. */
static bool write_packet(const ldns_pkt *pkt, size_t max, struct buf *out)
{
    uint8_t *wire = NULL;
    size_t n = 0;
    bool fits = ldns_pkt2wire(&wire, pkt, &n) == LDNS_STATUS_OK && n <= max;

    if (fits)
        buf_append(out, wire, n);
    free(wire);
    return fits;
}

static ldns_pkt *new_answer(const struct question *q)
{
    ldns_pkt *pkt = ldns_pkt_new();

    ldns_pkt_set_id(pkt, q->id);
    ldns_pkt_set_qr(pkt, true);
    ldns_pkt_set_aa(pkt, true);
    ldns_pkt_set_rd(pkt, q->flags != 0);
    ldns_pkt_set_ra(pkt, true);
    if (q->edns)
        ldns_pkt_set_edns_udp_size(pkt, UDP_MAX);
    (void)add_question(pkt, q);
    return pkt;
}

void message_answer(const struct question *q, const struct zone *z, const struct answer *answer,
                    size_t max, struct buf *out)
{
    ldns_pkt *pkt = new_answer(q);

    if (answer->outcome == ZONE_NO_SUCH_NAME)
        ldns_pkt_set_rcode(pkt, LDNS_RCODE_NXDOMAIN);
    for (size_t i = 0; i < answer->n; i++) {
        ldns_rr *rr = make_record(&answer->records[i]);

        if (rr)
            (void)ldns_pkt_push_rr(pkt, answer->records[i].additional ? LDNS_SECTION_ADDITIONAL
                                                                      : LDNS_SECTION_ANSWER, rr);
    }
    if (answer->n == 0)
        add_soa(pkt, z);
    if (!write_packet(pkt, max, out)) {
        /* Too long for this way: the bit TC says that it may be asked again over TCP. */
        ldns_pkt *cut = new_answer(q);

        ldns_pkt_set_tc(cut, true);
        (void)write_packet(cut, max, out);
        ldns_pkt_free(cut);
    }
    ldns_pkt_free(pkt);
}

void message_error(struct str query, enum message_rcode rcode, struct buf *out)
{
    const uint8_t *q = (const uint8_t *)query.p;
    uint8_t head[HEADER_BYTES] = {0};

    if (query.len < HEADER_BYTES)
        return; /* nobody to answer */
    head[0] = q[0];
    head[1] = q[1];
    head[2] = (uint8_t)(0x80 | (q[2] & 0x79)); /* an answer, with the query's opcode and RD */
    head[3] = (uint8_t)(0x80 | rcode);
    buf_append(out, head, sizeof(head));
}
