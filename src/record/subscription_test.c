/* Copies of messages go to the archives of their kind alone, in one piece and as they are. */
#include "record/subscription.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void copies_go_to_their_archive(void **state)
{
    char dir[] = "/tmp/postern-archive-XXXXXX", command[100];
    struct conf_source *conf =
        conf_source_test("log.as.type=asarchive\nlog.av.type=avarchive\nlog.mail_logs.type=mail\n", NULL);
    struct subscriptions *s;

    (void)state;
    assert_non_null(conf);
    assert_non_null(mkdtemp(dir));
    s = subscriptions_new(dir);
    subscriptions_apply(s, conf_now(conf), NULL, NULL);
    for (unsigned kind = 0; kind < 4; kind++)
        subscriptions_archive(
            s, &(struct event_message_archived){
                   .archive = kind, .a = str_lit("From a\n\\ %s\t"), .b = str_lit("b"), .h = str_lit("h\n\n")});
    for (size_t i = 0; i < s->n; i++) {
        bool archive = s->items[i]->type == LOG_TYPE_ASARCHIVE || s->items[i]->type == LOG_TYPE_AVARCHIVE;
        bool there = str_ends(buf_str(&s->items[i]->file.out), str_lit("From a\n\\ %s\tbh\n\n"));

        assert_int_equal(there, archive);
        if (archive)
            assert_int_equal(s->items[i]->file.out.n, 16);
    }
    subscriptions_free(s);
    conf_source_free(conf);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies_go_to_their_archive)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
