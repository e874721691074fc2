/* Fuzzes what strangers can say: values put into filters, answers of directories, lists from the bus, addresses in headers.
 */
#include "mail/ber.h"
#include "mail/ldap.h"
#include "mail/ldap_filter.h"
#include "mail/ldap_message.h"
#include "mail/mailbox.h"

#include "base/must.h"

/* The value comes out of the encoded filter as it went in, and nothing else is there. */
static void a_value_stays_one(struct str value)
{
    const struct ldap_tokens t = {.address = value};
    struct buf text = BUF(LDAP_FILTER_MAX), encoded = BUF(2 * LDAP_FILTER_MAX);
    struct str in, name, got;

    if (ldap_template_fill(str_lit("(mail={a})"), &t, &text, NULL) == RC_OK) {
        must(ldap_filter_encode(buf_str(&text), &encoded, NULL) == RC_OK);
        in = buf_str(&encoded);
        must(ber_get(&in, 0xa3, &got) && in.n == 0);
        must(ber_get(&got, BER_OCTETS, &name) && ber_get(&got, BER_OCTETS, &in) && got.n == 0 && str_eq(in, value));
    }
    buf_done(&text);
    buf_done(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size), rest = in;
    struct buf encoded = BUF(1 << 20);
    const struct ldap_question *q;
    const struct ldap_answer *list;
    struct ldap_message m;
    struct mailbox box;
    struct arena a;
    size_t n;

    arena_init(&a, 4096, 8 << 20);
    a_value_stays_one(str_first(in, 2000));
    ldap_template_check(in, NULL);
    ldap_filter_encode(in, &encoded, NULL);
    while (ldap_message_take(&a, &rest, &m) == RC_OK)
        ;
    ldap_questions_decode(&a, in, &q, &n);
    ldap_answers_decode(&a, in, &list, &n);
    for (rest = in; mailbox_next(&rest, &box);) {
        must(box.address.p >= in.p && box.address.p + box.address.n <= in.p + in.n && box.address.n > 2);
        must(!box.name.n || (box.name.p >= in.p && box.name.p + box.name.n <= box.address.p));
        must(!box.bracket.n || (box.bracket.p < box.address.p && box.bracket.n > box.address.n));
    }
    buf_done(&encoded);
    arena_done(&a);
    return 0;
}
