/*
 * The configuration as the roles see it: plain structs generated from spec/sections.def and spec/settings/NAME.def.
 *
 * A row in spec/settings/listener.def (one file per section):
 *   SETTING(max_connections, UINT, "300", 1, 100000, "connections", NEW_CONVERSATIONS,
 *           "Most simultaneous connections this listener accepts", "Enter the maximum number of concurrent connections")
 *   = name, type, default in exchange form, least, most, unit (ENUM: the choices "a|b|c"), when it takes effect
 *     (NOW, NEW_CONVERSATIONS, RESTART), help, question
 *   UINT  uint64_t   numbers; unit "ms", "s", "bytes" accept suffixes (10s, 5m, 2h, 64M, 1G) in exchange form
 *   BOOL  uint64_t   "yes" / "no"
 *   ENUM  uint64_t   index of the choice; constants CONF_<SECTION>_<FIELD>_... are written by hand beside the use
 *   TEXT  struct str                SECRET struct str (printed as ********)
 *   TEXTS struct strs   a list of lines, order kept
 * In TEXT and TEXTS rows least and most bound the octets of each value. LIST items begin with `struct str name`.
 *
 *   conf->receiving.idle_ms               conf->listener.items[i].port
 *
 * A snapshot is immutable and counted: a conversation keeps the one it began with. There are no globals: the role hands
 * `struct conf_source *` to its rooms.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/arena.h"
#include "base/err.h"

#define SETTING_STRUCT_UINT uint64_t
#define SETTING_STRUCT_BOOL uint64_t
#define SETTING_STRUCT_ENUM uint64_t
#define SETTING_STRUCT_TEXT struct str
#define SETTING_STRUCT_SECRET struct str
#define SETTING_STRUCT_TEXTS struct strs
#define SETTING(name, type, ...) SETTING_STRUCT_##type name;

struct conf_system {
#include "spec/settings/system.def"
};
struct conf_roles {
#include "spec/settings/roles.def"
};
struct conf_interface {
    struct str name;
#include "spec/settings/interface.def"
};
struct conf_certificate {
    struct str name;
#include "spec/settings/certificate.def"
};
struct conf_tls {
#include "spec/settings/tls.def"
};
struct conf_dns {
#include "spec/settings/dns.def"
};
struct conf_listener {
    struct str name;
#include "spec/settings/listener.def"
};
struct conf_mail_flow_policy {
    struct str name;
#include "spec/settings/mail_flow_policy.def"
};
struct conf_sender_group {
    struct str name;
#include "spec/settings/sender_group.def"
};
struct conf_alias {
    struct str name;
#include "spec/settings/alias.def"
};
struct conf_mail_policy {
    struct str name;
#include "spec/settings/mail_policy.def"
};
struct conf_content_filter {
    struct str name;
#include "spec/settings/content_filter.def"
};
struct conf_text_resource {
    struct str name;
#include "spec/settings/text_resource.def"
};
struct conf_antispam {
#include "spec/settings/antispam.def"
};
struct conf_antivirus {
#include "spec/settings/antivirus.def"
};
struct conf_graymail {
#include "spec/settings/graymail.def"
};
struct conf_outbreak {
#include "spec/settings/outbreak.def"
};
struct conf_outbreak_rule {
    struct str name;
#include "spec/settings/outbreak_rule.def"
};
struct conf_url {
#include "spec/settings/url.def"
};
struct conf_receiving {
#include "spec/settings/receiving.def"
};
struct conf_reputation {
#include "spec/settings/reputation.def"
};
struct conf_ldap_server {
    struct str name;
#include "spec/settings/ldap_server.def"
};
struct conf_ldap_query {
    struct str name;
#include "spec/settings/ldap_query.def"
};
struct conf_user {
    struct str name;
#include "spec/settings/user.def"
};
struct conf_access {
#include "spec/settings/access.def"
};
struct conf_ssh {
#include "spec/settings/ssh.def"
};
struct conf_ftp {
#include "spec/settings/ftp.def"
};
struct conf_http {
#include "spec/settings/http.def"
};
struct conf_snmp {
#include "spec/settings/snmp.def"
};
struct conf_ntp {
#include "spec/settings/ntp.def"
};
struct conf_alerts {
#include "spec/settings/alerts.def"
};
struct conf_alert {
    struct str name;
#include "spec/settings/alert.def"
};
struct conf_message_filter {
    struct str name;
#include "spec/settings/message_filter.def"
};
struct conf_address_list {
    struct str name;
#include "spec/settings/address_list.def"
};
struct conf_url_list {
    struct str name;
#include "spec/settings/url_list.def"
};
struct conf_file_hash_list {
    struct str name;
#include "spec/settings/file_hash_list.def"
};
struct conf_dictionary {
    struct str name;
#include "spec/settings/dictionary.def"
};
struct conf_dlp_classifier {
    struct str name;
#include "spec/settings/dlp_classifier.def"
};
struct conf_dlp_policy {
    struct str name;
#include "spec/settings/dlp_policy.def"
};
struct conf_spool {
#include "spec/settings/spool.def"
};
struct conf_queue {
#include "spec/settings/queue.def"
};
struct conf_scanning {
#include "spec/settings/scanning.def"
};
struct conf_bounce_profile {
    struct str name;
#include "spec/settings/bounce_profile.def"
};
struct conf_destination {
    struct str name;
#include "spec/settings/destination.def"
};
struct conf_route {
    struct str name;
#include "spec/settings/route.def"
};
struct conf_delivery {
#include "spec/settings/delivery.def"
};
struct conf_capture {
#include "spec/settings/capture.def"
};
struct conf_logs {
#include "spec/settings/logs.def"
};
struct conf_log {
    struct str name;
#include "spec/settings/log.def"
};
struct conf_service_host {
    struct str name;
#include "spec/settings/service_host.def"
};
struct conf_authentication {
#include "spec/settings/authentication.def"
};
struct conf_dmarc {
#include "spec/settings/dmarc.def"
};
struct conf_signing_key {
    struct str name;
#include "spec/settings/signing_key.def"
};
struct conf_domain_profile {
    struct str name;
#include "spec/settings/domain_profile.def"
};
struct conf_signing {
#include "spec/settings/signing.def"
};
struct conf_quarantine {
    struct str name;
#include "spec/settings/quarantine.def"
};
struct conf_spam_quarantine {
#include "spec/settings/spam_quarantine.def"
};
struct conf_quarantine_service {
#include "spec/settings/quarantine_service.def"
};
struct conf_cpq_listener {
#include "spec/settings/cpq_listener.def"
};
struct conf_cpq_peer {
    struct str name;
#include "spec/settings/cpq_peer.def"
};
struct conf_euq_listener {
#include "spec/settings/euq_listener.def"
};
struct conf_pvo {
#include "spec/settings/pvo.def"
};
struct conf_cpq_identity {
#include "spec/settings/cpq_identity.def"
};
struct conf_ssh_identity {
#include "spec/settings/ssh_identity.def"
};
struct conf_cpq_authority {
#include "spec/settings/cpq_authority.def"
};
struct conf_appliance {
    struct str name;
#include "spec/settings/appliance.def"
};
struct conf_manager {
    struct str name;
#include "spec/settings/manager.def"
};
struct conf_central {
#include "spec/settings/central.def"
};
struct conf_exports {
#include "spec/settings/exports.def"
};
struct conf_tracking {
#include "spec/settings/tracking.def"
};
struct conf_reporting {
#include "spec/settings/reporting.def"
};
struct conf_link_listener {
#include "spec/settings/link_listener.def"
};
struct conf_link_token {
    struct str name;
#include "spec/settings/link_token.def"
};
#undef SETTING

#define CONF_MEMBER_ONE(section) struct conf_##section section;
#define CONF_MEMBER_LIST(section) \
    struct { \
        const struct conf_##section *items; \
        size_t n; \
    } section;

struct conf {
    uint64_t version;
#define SECTION(section, kind, ...) CONF_MEMBER_##kind(section)
#include "spec/sections.def"
#undef SECTION
};

/* Where a role gets its configuration from. */
struct conf_source;

/* The newest snapshot; NULL before the first came. Valid until conf_unref() of a reference, or the next turn without one. */
const struct conf *conf_now(const struct conf_source *s);
const struct conf *conf_ref(const struct conf *c);
void conf_unref(const struct conf *c);
/* fn(ctx, new, old) after each change, in order of registration; at once when there is one already (old NULL). */
void conf_on_change(struct conf_source *s, void (*fn)(void *ctx, const struct conf *now, const struct conf *old), void *ctx);

/* The sources: fed by bus messages in a role (role_main does it), by text in tests. */
struct conf_source *conf_source_new(void);
void conf_source_free(struct conf_source *s);
/* Decodes a snapshot blob and makes it the newest. */
enum rc conf_source_feed(struct conf_source *s, uint64_t version, struct str blob, struct err *e);
/* Tests: defaults plus lines "path=value" ("listener.Inbound.port=25", "route[example.com].hosts=a,b"; naming an item makes
 * it). */
struct conf_source *conf_source_test(const char *lines, struct err *e);

/* Whether this machine takes mail on listeners: a gateway does, a manager only when it was given one. */
bool conf_receives(const struct conf *c);

/* What a listener calls itself: its own host name, else that of its interface, else the system's. */
struct str conf_listener_host(const struct conf *c, const struct conf_listener *l);

/* Item of a LIST section by name (ASCII case ignored): conf_find(&c->destination, "x") through the typed macro. */
#define conf_find(list, wanted) \
    ((__typeof__((list)->items))conf_find_item((list)->items, (list)->n, sizeof *(list)->items, (wanted)))
const void *conf_find_item(const void *items, size_t n, size_t size, struct str name);

#endif
