/* format.h - checks of single strings that many kinds share; texts are upstream's.
 *
 * Each returns NULL if @s is good, else what is wrong with it as static text (or text in @a where
 * the message carries a value). Layer: schema. Threads: any.
 */
#pragma once
#include "schema/type.h"

const char *format_dns_label(struct str s);         /** RFC 1123 label. */
const char *format_dns1035_label(struct str s);     /** RFC 1035 label. */
const char *format_dns_subdomain(struct str s);     /** RFC 1123 subdomain. */
const char *format_wildcard_subdomain(struct str s); /** "*." and a subdomain. */
const char *format_qualified_name(struct str s);    /** Label keys, finalizers: [prefix/]name. */
const char *format_label_value(struct str s);       /** Label values. */
const char *format_port_name(struct str s);         /** IANA service name. */
const char *format_env_name(struct str s);          /** Environment variable names. */
const char *format_config_key(struct str s);        /** Keys of ConfigMaps and Secrets. */
const char *format_percent(struct str s);           /** "25%". */
const char *format_path_segment(struct str s);      /** RBAC names: no "/", "%", ".", "..". */
const char *format_ip(struct str s);                /** IPv4 or IPv6, strict. */
const char *format_cidr(struct str s);              /** Address/prefix, host bits zero. */
/** The check of that name ("dns-label", "dns-subdomain", "ip", ...), or NULL. */
const char *(*format_find(const char *name))(struct str);
