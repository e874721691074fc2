/*
 * Enrolment on the network (central.md 3): verbs enrol_key, enrol_open, enrol_hello and enrol_test of role central, asked by
 * control for applianceconfig; what gateways say in hello goes on to control; a removed gateway is told.
 */
#ifndef CENTRAL_ENROL_H
#define CENTRAL_ENROL_H

#include "central/inside.h"

void verb_enrol_key(struct central_call *call);
void verb_enrol_open(struct central_call *call);
void verb_enrol_hello(struct central_call *call);
void verb_enrol_test(struct central_call *call);

/* A gateway said hello on its connection. */
void enrol_heard(struct central *c, struct str appliance, struct str hello);
/* Settings changed: gateways that were there before and are no longer are told to forget us. */
void enrol_gone(struct central *c, const struct conf *now, const struct conf *old);
/* Members for hello: our pins, SSH key and address (without braces, a comma before). `serial` = the gateway's. */
void enrol_members(const struct conf *conf, struct str serial, struct buf *out);
/* Why a gateway was not reached, in words for an operator. */
void enrol_why(const char *address, uint16_t port, enum rc rc, const struct err *e, struct buf *out);

#endif
