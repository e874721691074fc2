/* How the tests talk to the server conversation. Behind an include of cmocka's own needs (setjmp, stdarg). */
#ifndef SMTP_SERVER_FIXTURE_H
#define SMTP_SERVER_FIXTURE_H

#include "smtp/server_testing.h"

struct testing_fixture {
    struct testing t;
    struct conversation *c;
};

enum { TESTING_OFFERS = SMTP_OFFER_TLS | SMTP_OFFER_AUTH | SMTP_OFFER_UTF8 | SMTP_OFFER_CHUNKING };

struct testing_fixture *testing_make(unsigned offers);
/* Runs the first step: the greeting, or the wait for PROXY. */
void testing_start(struct testing_fixture *f);
/* Both, and takes the greeting away. */
struct testing_fixture *testing_begin(unsigned offers);
/* Fails unless the conversation told its end exactly once. */
void testing_end(struct testing_fixture *f);
/* Says it and compares all replies; "*" at the end of `wanted` = whatever follows. */
void testing_says(struct testing_fixture *f, const char *command, const char *wanted);
void testing_hello(struct testing_fixture *f);
/* EHLO, MAIL and one RCPT. */
void testing_ready(struct testing_fixture *f);

#endif
