/*
 * Conditions over messages from anywhere: every rule of a list of conditions on a hostile message, and an own condition (the
 * first line of the input) on the rest.
 */
#include "policy/filter_eval.h"

#include <stdlib.h>

static const char *const conditions[] = {
    "subject == 'a' or header('x') == 'b' or addr-count('To', 'Cc') > 3 or malformed-header",
    "body-contains('a+b', 3) or only-body-contains('x') or attachment-contains('y') or every-attachment-contains('z')",
    "attachment-filename == 'exe' or attachment-filetype == 'Executable' or attachment-type == 'pdf' or attachment-size > 3",
    "attachment-binary-contains('\\xff') or attachment-protected or macro-detection-rule or image-verdict == 'suspect'",
    "signed or encrypted or valid or duplicate_boundaries or message-language == 'english' or mail-from == '^$'",
    "url-reputation(-10, 10) or url-category('x') or url-no-reputation or url-external-threat-feeds('x')",
    "smtp-auth-id-matches('*Any') or rcpt-to == 'x' or remote-ip == '10.0.0.0/8' or spf-status == 'pass'",
    "forged-email-detection('x', 1) or file-hash-external-threat-feeds('x') or attachment-mimetype == 'q'",
};

static void opinion(void *ctx, struct message *m, enum opinion_kind kind, struct str of, struct str by, struct opinion *out)
{
    (void)ctx;
    (void)m;
    (void)kind;
    (void)by;
    out->known = of.n % 2;
    out->score = (double)(of.n % 20) - 10;
}

static void judge(struct message *m, struct str text)
{
    struct filter_rule *r;
    struct err e = ERR_NONE;

    if (filter_parse_rule(m->arena, text, &r, &e) == RC_OK && filter_true(m, r) != filter_true(m, r) &&
        str_find_str(text, str_lit("random")) == text.n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct message_world world = {.opinion = opinion};
    struct str all = str_of(data, size), first = str_first(all, str_find(all, '\n'));
    struct recipient to[] = {{.address = str_lit("a@b.test")}};
    struct envelope env = {
        .sender = first, .client_ip = first, .auth_user = str_lit("x"), .recipients = to, .n_recipients = 1};
    struct conf conf = {0};
    struct arena a;
    struct err e = ERR_NONE;
    struct message m = {.conf = &conf, .world = &world};

    arena_init(&a, 65536, 256 << 20);
    if (message_init(&m, &a, str_from(all, first.n + 1), &env, &e) == RC_OK) {
        for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
            judge(&m, str_c(conditions[i]));
        judge(&m, first);
    }
    arena_done(&a);
    return 0;
}
