/* The checks themselves; of policy/hardening.c alone. Each adds what it found to `found`. */
#ifndef POLICY_HARDENING_CHECKS_H
#define POLICY_HARDENING_CHECKS_H

#include "policy/hardening.h"

typedef enum hardening_verdict hardening_check(const struct hardening_facts *f, struct buf *found);

hardening_check check_ssh, check_web_access, check_cli_access, check_host_header, check_host_header_choice, check_scripting;
hardening_check check_relay_rules, check_auth, check_support, check_tls, check_cloud, check_visitor;
hardening_check check_plain_services, check_snmp_security, check_passphrases, check_lab_names;

#endif
