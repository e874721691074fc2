/*
 * The settings that every home begins with. See first.h.
 *
 * Called by `postern init` and by resetconfig. Owns nothing. The defaults are lines of path=value, the same that --set takes
 * and that tests write.
 */
#include "admin/first.h"

#include "admin/admin.h"
#include "policy/firewall.h"

/* What every home begins with (spec/central.md 14). */
static const char lines_all[] = "interface.Management.address=0.0.0.0\n"
                                "interface.Management.ssh=yes\n"
                                "interface.Management.http=yes\n"
                                "interface.Management.https=yes\n"
                                "interface.Management.api_http=yes\n"
                                "interface.Management.api_https=yes\n"
                                "http.certificate=self_signed\n"
                                "certificate.self_signed.cert_file=" FIRST_CERTIFICATE "\n"
                                "certificate.self_signed.key_file=" FIRST_KEY "\n"
                                "mail_flow_policy.ACCEPTED\n"
                                "mail_flow_policy.TRUSTED\n"
                                "mail_flow_policy.BLOCKED.behavior=reject\n"
                                "mail_flow_policy.THROTTLED.max_messages=10\n"
                                "mail_flow_policy.THROTTLED.max_recipients=20\n"
                                "mail_flow_policy.THROTTLED.max_message_bytes=1M\n"
                                "mail_flow_policy.THROTTLED.max_connections=10\n"
                                "mail_flow_policy.THROTTLED.recipients_per_hour=20\n"
                                "mail_flow_policy.RELAYED.behavior=relay\n"
                                "mail_flow_policy.RELAYED.spf=off\n"
                                "mail_flow_policy.RELAYED.dkim_verify=no\n"
                                "mail_flow_policy.RELAYED.dmarc_verify=no\n"
                                "mail_flow_policy.RELAYED.dkim_signing=yes\n";

static const char lines_gateway[] = "listener.InboundMail.type=public\n"
                                    "listener.InboundMail.interface=Management\n"
                                    "listener.InboundMail.port=25\n"
                                    "listener.InboundMail.certificate=self_signed\n"
                                    "listener.InboundMail.rat=ALL REJECT\n"
                                    "listener.OutboundMail.type=private\n"
                                    "listener.OutboundMail.interface=Management\n"
                                    "listener.OutboundMail.port=587\n"
                                    "listener.OutboundMail.certificate=self_signed\n"
                                    "listener.OutboundMail.enabled=no\n"
                                    "sender_group.RELAYLIST.listener=OutboundMail\n"
                                    "sender_group.RELAYLIST.policy=RELAYED\n"
                                    "sender_group.ALLOWLIST.listener=InboundMail\n"
                                    "sender_group.ALLOWLIST.policy=TRUSTED\n"
                                    "sender_group.BLOCKLIST.listener=InboundMail\n"
                                    "sender_group.BLOCKLIST.policy=BLOCKED\n"
                                    "sender_group.SUSPECTLIST.listener=InboundMail\n"
                                    "sender_group.SUSPECTLIST.policy=THROTTLED\n"
                                    "sender_group.UNKNOWNLIST.listener=InboundMail\n"
                                    "sender_group.UNKNOWNLIST.policy=ACCEPTED\n"
                                    "sender_group.UNKNOWNLIST.members=ALL\n";

/* Loopback only; ports are moved below. PROXY is optional so that plain clients work too. */
static const char lines_lab[] = "system.lab=yes\n"
                                "interface.Management.address=127.0.0.1\n"
                                "spool.segment_bytes=8M\n"
                                "spool.min_free_bytes=64M\n"
                                "spool.min_free_percent=0\n"
                                "spool.reserve_bytes=1M\n";

static const char lines_lab_gateway[] = "listener.InboundMail.xclient_from=127.0.0.0/8\n"
                                        "listener.InboundMail.proxy_from=127.0.0.0/8\n"
                                        "listener.InboundMail.proxy=optional\n"
                                        "listener.OutboundMail.xclient_from=127.0.0.0/8\n"
                                        "listener.OutboundMail.enabled=yes\n"
                                        "sender_group.RELAYLIST.members=127.0.0.0/8\n";

/* In a laboratory every listening port is the base plus its default. */
static void move_ports(struct conf_draft *d, uint64_t base)
{
    for (size_t i = 0; i < d->conf.listener.n; i++)
        ((struct conf_listener *)(uintptr_t)&d->conf.listener.items[i])->port += base;
    for (size_t i = 0; i < d->conf.interface.n; i++) {
        struct conf_interface *f = (struct conf_interface *)(uintptr_t)&d->conf.interface.items[i];
        uint64_t *const ports[] = {&f->ftp_port,   &f->ssh_port,      &f->http_port,
                                   &f->https_port, &f->api_http_port, &f->api_https_port};

        for (size_t k = 0; k < sizeof ports / sizeof *ports; k++)
            *ports[k] += base;
    }
    d->conf.http.trailblazer_port += base;
    d->conf.snmp.port += base;
    d->conf.ntp.port += base;
    d->conf.cpq_listener.port += base;
    d->conf.euq_listener.port += base;
}

/* Every outside service at its stand-in, as `servicehosts lab` sets them. */
static enum rc lab_services(struct conf_draft *d, struct err *e)
{
    const struct firewall_row *row;

    for (size_t i = 0; (row = firewall_row(i)); i++) {
        struct buf line = BUF(4096);
        enum rc rc = RC_OK;

        buf_addf(&line, "service_host.%s.hosts=", row->service);
        for (size_t k = 0; k < firewall_lab_hosts(row); k++)
            buf_addf(&line, "%s%.*s", k ? "," : "", STR(firewall_lab_host(row, k, &d->arena)));
        if (firewall_lab_hosts(row) && firewall_direction(row, &d->conf) != FIREWALL_NONE)
            rc = conf_draft_line(d, buf_str(&line), e);
        buf_done(&line);
        TRY(rc);
    }
    return RC_OK;
}

enum rc first_settings(struct conf_draft *d, struct str role, uint64_t lab_base, struct err *e)
{
    bool gateway = str_eq(role, str_lit("gateway"));

    TRY(conf_draft_set(d, str_lit("system.role"), role, e));
    TRY(conf_draft_lines(d, str_c(lines_all), e));
    if (gateway)
        TRY(conf_draft_lines(d, str_c(lines_gateway), e));
    TRY(admin_default_logs(d, e));
    if (!lab_base)
        return RC_OK;
    TRY(conf_draft_lines(d, str_c(lines_lab), e));
    if (gateway)
        TRY(conf_draft_lines(d, str_c(lines_lab_gateway), e));
    TRY(lab_services(d, e));
    d->conf.system.lab_base = lab_base;
    move_ports(d, lab_base);
    return RC_OK;
}
