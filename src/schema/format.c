/* format.c - checks of single strings by hand-written scanners. Layer: schema. */
#include "schema/format.h"
#include <arpa/inet.h>

enum {
    LABEL_MAX = 63,
    SUBDOMAIN_MAX = 253,
    PORT_NAME_MAX = 15,
    IP_TEXT_MAX = 45,  /* the longest IPv6 text, with an IPv4 tail */
    CIDR_TEXT_MAX = 49 /* and "/128" behind it */
};

#define LABEL_RE     "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN_RE LABEL_RE "(\\." LABEL_RE ")*"
#define NAME_RE      "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define TOO_LONG_63  "must be no more than 63 bytes"
#define TOO_LONG_253 "must be no more than 253 bytes"
#define SUBDOMAIN_TEXT                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "      \
    "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "          \
    "regex used for validation is '" SUBDOMAIN_RE "')"
#define NAME_TEXT                                                                                  \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '" NAME_RE "')"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_lower_alnum(char c)
{
    return is_lower(c) || is_digit(c);
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* The label form, of any length. */
static bool is_label(struct str s)
{
    if (!s.len || !is_lower_alnum(s.p[0]) || !is_lower_alnum(s.p[s.len - 1]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_lower_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(struct str s)
{
    do {
        if (!is_label(str_cut(s, '.', &s)))
            return false;
    } while (s.p);
    return true;
}

/* The name part of a qualified name, of any length. */
static bool is_name(struct str s)
{
    if (!s.len || !is_alnum(s.p[0]) || !is_alnum(s.p[s.len - 1]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return true;
}

const char *format_dns_label(struct str s)
{
    if (s.len > LABEL_MAX)
        return TOO_LONG_63;
    if (is_label(s))
        return NULL;
    if (is_subdomain(s))
        return "must not contain dots";
    return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
           "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
           "regex used for validation is '" LABEL_RE "')";
}

const char *format_dns1035_label(struct str s)
{
    if (s.len > LABEL_MAX)
        return TOO_LONG_63;
    if (is_label(s) && is_lower(s.p[0]))
        return NULL;
    return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
           "an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
           "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

const char *format_dns_subdomain(struct str s)
{
    if (s.len > SUBDOMAIN_MAX)
        return TOO_LONG_253;
    return is_subdomain(s) ? NULL : SUBDOMAIN_TEXT;
}

const char *format_wildcard_subdomain(struct str s)
{
    if (s.len > SUBDOMAIN_MAX)
        return TOO_LONG_253;
    if (str_has_prefix(s, STR("*.")) && is_subdomain(str_sub(s, 2, SIZE_MAX)))
        return NULL;
    return "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "
           "which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
           "alphanumeric character (e.g. '*.example.com', regex used for validation is "
           "'\\*\\." SUBDOMAIN_RE "')";
}

const char *format_qualified_name(struct str s)
{
    struct str name = s, prefix;

    if (str_find_char(s, '/') >= 0) {
        prefix = str_cut(s, '/', &name);
        if (str_find_char(name, '/') >= 0)
            return "a valid label key " NAME_TEXT
                   " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
        if (!prefix.len)
            return "prefix part must be non-empty";
        if (prefix.len > SUBDOMAIN_MAX)
            return "prefix part " TOO_LONG_253;
        if (!is_subdomain(prefix))
            return "prefix part " SUBDOMAIN_TEXT;
    }
    if (!name.len)
        return "name part must be non-empty";
    if (name.len > LABEL_MAX)
        return "name part " TOO_LONG_63;
    return is_name(name) ? NULL : "name part " NAME_TEXT;
}

const char *format_label_value(struct str s)
{
    if (s.len > LABEL_MAX)
        return TOO_LONG_63;
    if (!s.len || is_name(s))
        return NULL;
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
           "or "
           "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
           "'my_value',  or '12345', regex used for validation is "
           "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

const char *format_port_name(struct str s)
{
    bool letter = false, charset = s.len > 0;

    if (s.len > PORT_NAME_MAX)
        return "must be no more than 15 bytes";
    for (size_t i = 0; i < s.len; i++) {
        letter |= is_lower(s.p[i]);
        charset &= is_lower_alnum(s.p[i]) || s.p[i] == '-';
    }
    if (!charset)
        return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
    if (!letter)
        return "must contain at least one letter (a-z)";
    if (str_find(s, STR("--")) >= 0)
        return "must not contain consecutive hyphens";
    if (s.p[0] == '-' || s.p[s.len - 1] == '-')
        return "must not begin or end with a hyphen";
    return NULL;
}

const char *format_env_name(struct str s)
{
    if (!s.len)
        return "environment variable name must be non-empty";
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '=')
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
    return NULL;
}

static bool is_config_key(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return s.len > 0;
}

const char *format_config_key(struct str s)
{
    if (s.len > SUBDOMAIN_MAX)
        return TOO_LONG_253;
    if (!is_config_key(s))
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
               "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
               "'[-._a-zA-Z0-9]+')";
    if (str_eqz(s, "."))
        return "must not be '.'";
    if (str_eqz(s, ".."))
        return "must not be '..'";
    if (str_has_prefix(s, STR("..")))
        return "must not start with '..'";
    return NULL;
}

const char *format_percent(struct str s)
{
    bool good = s.len >= 2 && s.p[s.len - 1] == '%';

    for (size_t i = 0; good && i + 1 < s.len; i++)
        good = is_digit(s.p[i]);
    if (good)
        return NULL;
    return "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  "
           "or '93%', regex used for validation is '[0-9]+%')";
}

const char *format_path_segment(struct str s)
{
    if (str_eqz(s, "."))
        return "may not be '.'";
    if (str_eqz(s, ".."))
        return "may not be '..'";
    if (str_find_char(s, '/') >= 0)
        return "may not contain '/'";
    if (str_find_char(s, '%') >= 0)
        return "may not contain '%'";
    return NULL;
}

struct address {
    uint8_t bytes[16];
    unsigned n_bits; /* 32 or 128 */
    bool leading_zeros, mapped;
};

/* Dotted quad in which parts may have leading zeros. */
static bool parse_ipv4(struct str s, struct address *ret)
{
    struct address out = {.n_bits = 32};
    unsigned n = 0;

    do {
        struct str part = str_cut(s, '.', &s);
        uint64_t v;

        if (n == 4 || !part.len || !str_to_u64(part, &v) || v > 255)
            return false;
        out.leading_zeros |= part.len > 1 && part.p[0] == '0';
        out.bytes[n++] = (uint8_t)v;
    } while (s.p);
    if (n != 4)
        return false;
    *ret = out;
    return true;
}

static bool parse_ip(struct str s, struct address *ret)
{
    char text[IP_TEXT_MAX + 1];
    struct address out = {.n_bits = 128};
    static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

    if (s.len > IP_TEXT_MAX || !s.len || memchr(s.p, 0, s.len))
        return false;
    if (str_find_char(s, ':') < 0)
        return parse_ipv4(s, ret);
    memcpy(text, s.p, s.len);
    text[s.len] = 0;
    if (inet_pton(AF_INET6, text, out.bytes) != 1)
        return false;
    out.mapped = memcmp(out.bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
    *ret = out;
    return true;
}

const char *format_ip(struct str s)
{
    struct address ip;

    if (!parse_ip(s, &ip))
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    if (ip.leading_zeros)
        return "must not have leading 0s";
    if (ip.mapped)
        return "must not be an IPv4-mapped IPv6 address";
    return NULL;
}

static bool host_bits_zero(const struct address *ip, uint64_t n_prefix)
{
    for (unsigned bit = (unsigned)n_prefix; bit < ip->n_bits; bit++)
        if (ip->bytes[bit / 8] & (0x80u >> (bit % 8)))
            return false;
    return true;
}

const char *format_cidr(struct str s)
{
    struct str rest, ip_text;
    struct address ip;
    uint64_t n_prefix;

    if (s.len > CIDR_TEXT_MAX)
        return "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    ip_text = str_cut(s, '/', &rest);
    if (!parse_ip(ip_text, &ip) || !rest.len || !str_to_u64(rest, &n_prefix) ||
        n_prefix > ip.n_bits)
        return "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    if (ip.leading_zeros || (rest.len > 1 && rest.p[0] == '0'))
        return "must not have leading 0s in IP or prefix length";
    if (ip.mapped)
        return "must not have an IPv4-mapped IPv6 address";
    if (!host_bits_zero(&ip, n_prefix))
        return "must not have bits set beyond the prefix length";
    return NULL;
}

const char *(*format_find(const char *name))(struct str)
{
    static const struct {
        const char *name;
        const char *(*check)(struct str);
    } formats[] = {
        {"dns-label", format_dns_label},
        {"dns1035-label", format_dns1035_label},
        {"dns-subdomain", format_dns_subdomain},
        {"wildcard-subdomain", format_wildcard_subdomain},
        {"qualified-name", format_qualified_name},
        {"label-value", format_label_value},
        {"port-name", format_port_name},
        {"env-name", format_env_name},
        {"config-key", format_config_key},
        {"percent", format_percent},
        {"path-segment", format_path_segment},
        {"ip", format_ip},
        {"cidr", format_cidr},
    };

    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].check;
    return NULL;
}
