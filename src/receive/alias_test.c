/* Aliases in a conversation: who gets the mail, what the envelope and the log say, limits, /dev/null. */
#include "receive/receive_testing.h"

#include <stdio.h>
#include <unistd.h>

static int ready(struct receive_fixture *f)
{
    int fd = receive_dial(f, 0, NULL);

    receive_expect(f, fd, "", "220 ");
    receive_expect(f, fd, "EHLO client.test\r\n", "250-");
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    return fd;
}

static void finish(struct receive_fixture *f, int fd)
{
    receive_expect(f, fd, "DATA\r\n", "354 ");
    receive_expect(f, fd, "Subject: x\r\n\r\nx\r\n.\r\n", "250 ");
    receive_fixture_settle(f);
}

static void an_alias_becomes_its_targets_each_once(void **state)
{
    struct receive_fixture *f =
        receive_fixture_new("alias[sales@ours.test].to=ann@inside.test,bob@ours.test,zoe@else.test\n", NULL);
    int fd = ready(f);

    (void)state;
    receive_expect(f, fd, "RCPT TO:<bob@ours.test>\r\n", "250 2.1.5 recipient <bob@ours.test> ok");
    receive_expect(f, fd, "RCPT TO:<Sales@Ours.test>\r\n", "250 2.1.5 recipient <Sales@ours.test> ok");
    receive_expect(f, fd, "RCPT TO:<bob@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<zoe@else.test>\r\n", "550 5.7.1 ");
    receive_expect(f, fd, "RCPT TO:<carl@ours.test>\r\n", "250 ");
    finish(f, fd);
    assert_int_equal(f->n_stored, 1);
    assert_true(receive_logged(
        f, "MID 1 ICID 1 RID 0 To: <bob@ours.test>\n"
           "Alias match: MID 1 RID 1 recipient Sales@ours.test mapped to ['ann@inside.test', 'zoe@else.test']\n"
           "MID 1 ICID 1 RID 1 To: <ann@inside.test>\n"
           "MID 1 ICID 1 RID 2 To: <zoe@else.test>\n"
           "MID 1 ICID 1 To: <zoe@else.test> Rejected by RAT\n"
           "MID 1 ICID 1 RID 3 To: <carl@ours.test>\n"));
    close(fd);
    receive_fixture_free(f);
}

/* HD-07: the name of an alias must be a recipient of ours like any other. */
static void an_alias_lets_nobody_in(void **state)
{
    struct receive_fixture *f =
        receive_fixture_new("alias[a@foreign.test].to=x@else.test\nalias[nobody@ours.test].to=x@else.test\n", NULL);
    int fd = ready(f);

    (void)state;
    receive_expect(f, fd, "RCPT TO:<a@foreign.test>\r\n", "550 5.7.1 ");
    receive_expect(f, fd, "RCPT TO:<nobody@ours.test>\r\n", "550 5.1.1 ");
    close(fd);
    receive_fixture_free(f);
}

static void beyond_a_limit_the_message_keeps_what_it_had(void **state)
{
    struct receive_fixture *f = receive_fixture_new("mail_flow_policy.ACCEPTED.max_recipients=3\n"
                                                    "alias[three@ours.test].to=a@x.test,b@x.test,c@x.test\n"
                                                    "alias[two@ours.test].to=a@x.test,b@x.test\n",
                                                    NULL);
    int fd = ready(f);

    (void)state;
    receive_expect(f, fd, "RCPT TO:<one@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<three@ours.test>\r\n", "452 4.5.3 too many recipients");
    receive_expect(f, fd, "RCPT TO:<two@ours.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<last@ours.test>\r\n", "452 4.5.3 ");
    finish(f, fd);
    assert_int_equal(f->n_stored, 1);
    assert_true(receive_logged(f, "MID 1 ICID 1 To: <three@ours.test> Rejected by Injection Control\n"));
    assert_true(receive_logged(f, "MID 1 ICID 1 RID 2 To: <b@x.test>\n"));
    assert_false(receive_logged(f, "c@x.test"));
    close(fd);
    receive_fixture_free(f);
}

static void dev_null_takes_the_mail_and_keeps_nothing(void **state)
{
    struct receive_fixture *f =
        receive_fixture_new("alias[@gone.test].to=/dev/null\nlistener.In.rat=ours.test,gone.test\n", NULL);
    int fd = ready(f);

    (void)state;
    receive_expect(f, fd, "RCPT TO:<a@gone.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<b@gone.test>\r\n", "250 ");
    finish(f, fd);
    assert_int_equal(f->n_stored, 0);
    assert_true(receive_logged(f, "Alias match: MID 1 RID 0 recipient a@gone.test mapped to ['/dev/null']\n"));
    assert_true(receive_logged(f, "Message aborted MID 1 Dropped by alias\nMessage finished MID 1 done\n"));
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@gone.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<kept@ours.test>\r\n", "250 ");
    finish(f, fd);
    assert_int_equal(f->n_stored, 1);
    close(fd);
    receive_fixture_free(f);
}

static void bulk_mail_is_expanded_too(void **state)
{
    struct receive_fixture *f =
        receive_fixture_new("alias[list@ours.test].to=a@x.test,b@x.test\nalias[off@ours.test].to=/dev/null\n", NULL);
    int fd = receive_dial(f, 2, NULL);

    (void)state;
    receive_says(f, fd, "50:17:Subject: q\n\nbody\n,8:a@b.test,14:list@ours.test,,", 1);
    assert_string_equal(f->reply, "3:Kok,");
    receive_fixture_settle(f);
    assert_int_equal(f->n_stored, 1);
    assert_true(receive_logged(f, "MID 1 ICID 1 RID 1 To: <b@x.test>\n"));
    close(fd);
    fd = receive_dial(f, 2, NULL);
    receive_says(f, fd, "49:17:Subject: q\n\nbody\n,8:a@b.test,13:off@ours.test,,", 1);
    assert_string_equal(f->reply, "3:Kok,");
    assert_int_equal(f->n_stored, 1);
    close(fd);
    receive_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_becomes_its_targets_each_once),
        cmocka_unit_test(an_alias_lets_nobody_in),
        cmocka_unit_test(beyond_a_limit_the_message_keeps_what_it_had),
        cmocka_unit_test(dev_null_takes_the_mail_and_keeps_nothing),
        cmocka_unit_test(bulk_mail_is_expanded_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
