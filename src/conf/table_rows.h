/* The rows of every section (spec/settings/NAME.def) as arrays rows_NAME; included by table.c alone, which says what a row
 * becomes. */
#ifndef CONF_TABLE_ROWS_H
#define CONF_TABLE_ROWS_H

#define OWNER conf_system
static const struct conf_setting rows_system[] = {
#include "spec/settings/system.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_roles
static const struct conf_setting rows_roles[] = {
#include "spec/settings/roles.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_interface
static const struct conf_setting rows_interface[] = {
#include "spec/settings/interface.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_certificate
static const struct conf_setting rows_certificate[] = {
#include "spec/settings/certificate.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_tls
static const struct conf_setting rows_tls[] = {
#include "spec/settings/tls.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_dns
static const struct conf_setting rows_dns[] = {
#include "spec/settings/dns.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_listener
static const struct conf_setting rows_listener[] = {
#include "spec/settings/listener.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_mail_flow_policy
static const struct conf_setting rows_mail_flow_policy[] = {
#include "spec/settings/mail_flow_policy.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_sender_group
static const struct conf_setting rows_sender_group[] = {
#include "spec/settings/sender_group.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_alias
static const struct conf_setting rows_alias[] = {
#include "spec/settings/alias.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_mail_policy
static const struct conf_setting rows_mail_policy[] = {
#include "spec/settings/mail_policy.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_content_filter
static const struct conf_setting rows_content_filter[] = {
#include "spec/settings/content_filter.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_text_resource
static const struct conf_setting rows_text_resource[] = {
#include "spec/settings/text_resource.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_antispam
static const struct conf_setting rows_antispam[] = {
#include "spec/settings/antispam.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_antivirus
static const struct conf_setting rows_antivirus[] = {
#include "spec/settings/antivirus.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_graymail
static const struct conf_setting rows_graymail[] = {
#include "spec/settings/graymail.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_outbreak
static const struct conf_setting rows_outbreak[] = {
#include "spec/settings/outbreak.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_outbreak_rule
static const struct conf_setting rows_outbreak_rule[] = {
#include "spec/settings/outbreak_rule.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_url
static const struct conf_setting rows_url[] = {
#include "spec/settings/url.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_receiving
static const struct conf_setting rows_receiving[] = {
#include "spec/settings/receiving.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_reputation
static const struct conf_setting rows_reputation[] = {
#include "spec/settings/reputation.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_ldap_server
static const struct conf_setting rows_ldap_server[] = {
#include "spec/settings/ldap_server.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_ldap_query
static const struct conf_setting rows_ldap_query[] = {
#include "spec/settings/ldap_query.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_user
static const struct conf_setting rows_user[] = {
#include "spec/settings/user.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_access
static const struct conf_setting rows_access[] = {
#include "spec/settings/access.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_ssh
static const struct conf_setting rows_ssh[] = {
#include "spec/settings/ssh.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_ftp
static const struct conf_setting rows_ftp[] = {
#include "spec/settings/ftp.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_http
static const struct conf_setting rows_http[] = {
#include "spec/settings/http.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_snmp
static const struct conf_setting rows_snmp[] = {
#include "spec/settings/snmp.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_ntp
static const struct conf_setting rows_ntp[] = {
#include "spec/settings/ntp.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_alerts
static const struct conf_setting rows_alerts[] = {
#include "spec/settings/alerts.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_alert
static const struct conf_setting rows_alert[] = {
#include "spec/settings/alert.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_message_filter
static const struct conf_setting rows_message_filter[] = {
#include "spec/settings/message_filter.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_address_list
static const struct conf_setting rows_address_list[] = {
#include "spec/settings/address_list.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_url_list
static const struct conf_setting rows_url_list[] = {
#include "spec/settings/url_list.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_file_hash_list
static const struct conf_setting rows_file_hash_list[] = {
#include "spec/settings/file_hash_list.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_dictionary
static const struct conf_setting rows_dictionary[] = {
#include "spec/settings/dictionary.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_dlp_classifier
static const struct conf_setting rows_dlp_classifier[] = {
#include "spec/settings/dlp_classifier.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_dlp_policy
static const struct conf_setting rows_dlp_policy[] = {
#include "spec/settings/dlp_policy.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_spool
static const struct conf_setting rows_spool[] = {
#include "spec/settings/spool.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_queue
static const struct conf_setting rows_queue[] = {
#include "spec/settings/queue.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_scanning
static const struct conf_setting rows_scanning[] = {
#include "spec/settings/scanning.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_bounce_profile
static const struct conf_setting rows_bounce_profile[] = {
#include "spec/settings/bounce_profile.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_destination
static const struct conf_setting rows_destination[] = {
#include "spec/settings/destination.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_route
static const struct conf_setting rows_route[] = {
#include "spec/settings/route.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_delivery
static const struct conf_setting rows_delivery[] = {
#include "spec/settings/delivery.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_capture
static const struct conf_setting rows_capture[] = {
#include "spec/settings/capture.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_logs
static const struct conf_setting rows_logs[] = {
#include "spec/settings/logs.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_log
static const struct conf_setting rows_log[] = {
#include "spec/settings/log.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_service_host
static const struct conf_setting rows_service_host[] = {
#include "spec/settings/service_host.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_authentication
static const struct conf_setting rows_authentication[] = {
#include "spec/settings/authentication.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_dmarc
static const struct conf_setting rows_dmarc[] = {
#include "spec/settings/dmarc.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_signing_key
static const struct conf_setting rows_signing_key[] = {
#include "spec/settings/signing_key.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_domain_profile
static const struct conf_setting rows_domain_profile[] = {
#include "spec/settings/domain_profile.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_signing
static const struct conf_setting rows_signing[] = {
#include "spec/settings/signing.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_quarantine
static const struct conf_setting rows_quarantine[] = {
#include "spec/settings/quarantine.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_spam_quarantine
static const struct conf_setting rows_spam_quarantine[] = {
#include "spec/settings/spam_quarantine.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_quarantine_service
static const struct conf_setting rows_quarantine_service[] = {
#include "spec/settings/quarantine_service.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_cpq_listener
static const struct conf_setting rows_cpq_listener[] = {
#include "spec/settings/cpq_listener.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_cpq_peer
static const struct conf_setting rows_cpq_peer[] = {
#include "spec/settings/cpq_peer.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_euq_listener
static const struct conf_setting rows_euq_listener[] = {
#include "spec/settings/euq_listener.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_pvo
static const struct conf_setting rows_pvo[] = {
#include "spec/settings/pvo.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_cpq_identity
static const struct conf_setting rows_cpq_identity[] = {
#include "spec/settings/cpq_identity.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_ssh_identity
static const struct conf_setting rows_ssh_identity[] = {
#include "spec/settings/ssh_identity.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_cpq_authority
static const struct conf_setting rows_cpq_authority[] = {
#include "spec/settings/cpq_authority.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_appliance
static const struct conf_setting rows_appliance[] = {
#include "spec/settings/appliance.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_manager
static const struct conf_setting rows_manager[] = {
#include "spec/settings/manager.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_central
static const struct conf_setting rows_central[] = {
#include "spec/settings/central.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_exports
static const struct conf_setting rows_exports[] = {
#include "spec/settings/exports.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_tracking
static const struct conf_setting rows_tracking[] = {
#include "spec/settings/tracking.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_reporting
static const struct conf_setting rows_reporting[] = {
#include "spec/settings/reporting.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_link_listener
static const struct conf_setting rows_link_listener[] = {
#include "spec/settings/link_listener.def"
    {.name = NULL}};
#undef OWNER
#define OWNER conf_link_token
static const struct conf_setting rows_link_token[] = {
#include "spec/settings/link_token.def"
    {.name = NULL}};
#undef OWNER

#endif
