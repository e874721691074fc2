/* The pure parts of the room: snmpd's configuration, our tree, traps, sensors, the URL check's parsing. */
#include "snmp/check.h"
#include "snmp/config.h"
#include "snmp/traps.h"

#include "base/arena.h"
#include "base/io.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --- configuration ------------------------------------------------------------------------------------------------- */

/* Both files for these settings, one behind the other; valid until the next call. */
static const char *files_for(const char *lines, const char *old)
{
    static char text[16384];
    struct err e = ERR_NONE;
    struct conf_source *source = conf_source_test(lines, &e);
    struct buf b = BUF(sizeof text - 1);
    struct snmp_keys keys;

    assert_non_null(source);
    snmp_keys_make(conf_now(source), &keys);
    snmp_config_text(conf_now(source), &keys, "/home", &b);
    buf_addf(&b, "--\n");
    snmp_state_text(conf_now(source), &keys, str_c(old), &b);
    assert_false(b.failed);
    snprintf(text, sizeof text, "%.*s", STR(buf_str(&b)));
    buf_done(&b);
    conf_source_free(source);
    return text;
}

static void has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no \"%s\" in\n%s", line, text);
}

static void has_not(const char *text, const char *line)
{
    if (strstr(text, line))
        fail_msg("\"%s\" in\n%s", line, text);
}

#define PASSPHRASES "snmp.auth_passphrase=maplesyrup\nsnmp.privacy_passphrase=maplesyrup\n"

/* FW-17: v3 alone, no community, no user without passphrases, nothing writable but the view that answers notWritable. */
static void v3_is_served_and_nothing_else(void **state)
{
    const char *text;

    (void)state;
    text = files_for("system.serial=42A9\n" PASSPHRASES, "");
    has(text, "agentAddress udp:127.0.0.1:161\n");
    has(text, "exactEngineID 0x80003c890434324139\n");
    has(text, "Serial #: 42A9\nsysObjectID .1.3.6.1.4.1.15497.1.1\n");
    has(text, "access users \"\" usm priv exact all ours none\n");
    has(text, "view ours included .1.3.6.1.4.1.15497\n");
    has(text, "createUser -e 0x80003c890434324139 v3get SHA -l 0x");
    has_not(text, "com2sec");
    has_not(text, "trapsess");
    has_not(text, "maplesyrup");
    has(files_for("snmp.level=authNoPriv\n" PASSPHRASES, ""), "usm auth exact");
    has_not(files_for("snmp.auth_passphrase=maplesyrup\n", ""), "v3get"); /* authPriv lacks a key */
    has_not(files_for("snmp.auth_passphrase=short\nsnmp.privacy_passphrase=maplesyrup\n", ""), "v3get");
}

/* RFC 3414 2.6: 20 octets of SHA, 16 of AES, and each engine has its own. That they are right, real peers show. */
static void keys_belong_to_one_engine(void **state)
{
    char first[16384];

    (void)state;
    snprintf(first, sizeof first, "%s", strstr(files_for("system.serial=A\n" PASSPHRASES, ""), "createUser"));
    assert_int_equal(strlen(strstr(first, "SHA -l 0x")) - strlen(strstr(first, " AES")), 9 + 40);
    assert_int_equal(strlen(strstr(first, "AES -l 0x")), 9 + 32 + 1);
    assert_null(strstr(files_for("system.serial=B\n" PASSPHRASES, ""), strstr(first, "AES -l 0x")));
}

/* FW-17: a community counts only with v2c on, from the networks named; odd characters stay inside their word. */
static void communities(void **state)
{
    const char *text;

    (void)state;
    text = files_for("snmp.v2c=yes\nsnmp.community=a \"b\\c\nsnmp.networks=192.0.2.0/24,10.0.0.0/8\n", "");
    has(text, "com2sec community00 192.0.2.0/24 \"a \\\"b\\\\c\"\n");
    has(text, "com2sec community01 10.0.0.0/8 ");
    has(text, "com2sec6 community10 ::1/128 ");
    has(text, "access communities \"\" any noauth exact all ours none\n");
    has_not(files_for("snmp.community=public\n", ""), "com2sec");
    has_not(files_for("snmp.v2c=yes\n", ""), "com2sec");
    has_not(files_for("snmp.v2c=yes\nsnmp.community=x\trwcommunity y\n", ""), "rwcommunity");
}

/* FW-18: targets with and without port, v2c and v3; traps that are off. */
static void trap_targets(void **state)
{
    const char *text;

    (void)state;
    text = files_for(
        "snmp.trap_targets=nms.example.org,192.0.2.1:1162,[2001:db8::1]:99,2001:db8::2,bad host\nsnmp.trap_community=t\n",
        "");
    has(text, "trapsess -v 2c -c \"t\" udp:nms.example.org:162\n");
    has(text, "udp:192.0.2.1:1162\n");
    has(text, "udp6:[2001:db8::1]:99\n");
    has(text, "udp6:[2001:db8::2]:162\n");
    has_not(text, "bad host");
    has(text, "authtrapenable 1\n");
    has(text, "linkUpDownNotifications yes\n");
    text = files_for(
        "snmp.trap_targets=192.0.2.1\nsnmp.trap_version=v3\nsnmp.traps_off=authenticationFailure,linkUpDown\n" PASSPHRASES,
        "");
    has(text, "trapsess -v 3 -u v3get -l authPriv -e 0x80003c8904");
    has(text, "authtrapenable 2\n");
    has_not(text, "linkUpDown");
    has_not(text, "maplesyrup");
}

/* RFC 3414 2.2: the number of starts goes on; users of before and anything else in the file go. */
static void state_keeps_the_boots(void **state)
{
    const char *text;

    (void)state;
    text =
        strstr(files_for(PASSPHRASES, "engineBoots 41\noldEngineID 0x80\nusmUser 1 3 0x80 \"old\"\ncreateUser x\n"), "--\n");
    has(text, "engineBoots 41\noldEngineID 0x80\ncreateUser -e ");
    has_not(text, "old\"");
    has_not(text, "createUser x");
}

/* --- the tree ------------------------------------------------------------------------------------------------------ */

static void in_order(const struct mib *m)
{
    for (size_t i = 0; i + 1 < m->n; i++)
        assert_ptr_equal(mib_next(m, m->items[i].name.at, m->items[i].name.n), &m->items[i + 1]);
    for (size_t i = 0; i < m->n; i++)
        assert_ptr_equal(mib_get(m, m->items[i].name.at, m->items[i].name.n), &m->items[i]);
}

/* FW-17: GETNEXT goes through all instances in order, full tables or empty ones. */
static void the_tree_is_sorted(void **state)
{
    static struct snmp_values v;
    static struct mib m;

    (void)state;
    v = (struct snmp_values){.memory = 120, .oldest_s = 1ull << 40};
    mib_build(&v, &m);
    in_order(&m);
    assert_int_equal(mib_get(&m, (uint32_t[]){1, 0}, 2)->number, 100);
    assert_int_equal(mib_get(&m, (uint32_t[]){14, 0}, 2)->number, UINT32_MAX);
    assert_int_equal(mib_next(&m, (uint32_t[]){7, 0}, 2)->name.at[0], 11);
    assert_null(mib_next(&m, (uint32_t[]){27, 0}, 2));
    v.n_temperatures = v.n_fans = SNMP_SENSORS;
    v.n_raids = SNMP_RAIDS;
    mib_build(&v, &m);
    in_order(&m);
    assert_int_equal(mib_next(&m, (uint32_t[]){9, 1, 2, 64}, 4)->name.at[2], 3);
}

static void names_of_any_length(void **state)
{
    static struct snmp_values v;
    static struct mib m;

    (void)state;
    mib_build(&v, &m);
    assert_ptr_equal(mib_next(&m, NULL, 0), &m.items[0]);
    assert_ptr_equal(mib_next(&m, (uint32_t[]){1}, 1), &m.items[0]);
    assert_ptr_equal(mib_next(&m, (uint32_t[]){1, 0, 0, 0, 0}, 5), &m.items[1]);
    assert_null(mib_get(&m, (uint32_t[]){1}, 1));
    assert_null(mib_get(&m, (uint32_t[]){1, 0, 0}, 3));
    assert_true(mib_has_object((uint32_t[]){1, 7}, 2));
    assert_false(mib_has_object((uint32_t[]){21, 0}, 2));
    assert_false(mib_has_object((uint32_t[]){12, 1, 5, 1}, 4));
    assert_false(mib_has_object((uint32_t[]){9, 1, 1, 1}, 4)); /* the index is not accessible */
    assert_false(mib_has_object(NULL, 0));
}

static void disk_summary_has_one_unit(void **state)
{
    char text[SNMP_TEXT];

    (void)state;
    snmp_disk_summary(200ull << 30, 40ull << 30, 160ull << 30, text);
    assert_string_equal(text, "Total_disk_space: 200 GB, Used_disk_space: 40 GB, Available_disk_space: 160 GB");
    snmp_disk_summary(9ull << 50, 0, 9ull << 50, text);
    assert_string_equal(text, "Total_disk_space: 9216 TB, Used_disk_space: 0 TB, Available_disk_space: 9216 TB");
    snmp_disk_summary(0, 0, 0, text);
    assert_string_equal(text, "Total_disk_space: 0 kB, Used_disk_space: 0 kB, Available_disk_space: 0 kB");
}

/* --- traps --------------------------------------------------------------------------------------------------------- */

static char told[1024];

static void note(void *ctx, const struct snmp_trap *t)
{
    size_t n = strlen(told);

    (void)ctx;
    if (t->is_text)
        snprintf(told + n, sizeof told - n, "%u:%s ", t->number, t->text);
    else
        snprintf(told + n, sizeof told - n, "%u:%u ", t->number, t->value);
}

static const char *look(struct snmp_watch *w, const struct snmp_values *v, uint64_t now_ms)
{
    static const struct conf_snmp s = {.cpu_threshold = 95, .memory_threshold = 80};

    told[0] = '\0';
    snmp_watch_look(w, v, &s, now_ms, note, NULL);
    return told;
}

/* FW-18, snmp.md 3: 60 s above a threshold, once; entry and return of conservation; alarms every 5 s; each change of an
 * array. */
static void traps_are_due(void **state)
{
    static struct snmp_values v;
    struct snmp_watch w = {0};

    (void)state;
    v = (struct snmp_values){.conserve = CONSERVE_NONE, .cpu = 96, .memory = 80};
    assert_string_equal(look(&w, &v, 1000), "");
    assert_string_equal(look(&w, &v, 60999), "");
    assert_string_equal(look(&w, &v, 61000), "10:96 ");
    assert_string_equal(look(&w, &v, 200000), "");
    v.cpu = 95;
    v.conserve = CONSERVE_QUEUE_FULL;
    assert_string_equal(look(&w, &v, 201000), "1:4 ");
    v.conserve = CONSERVE_NONE;
    v.memory = 81;
    assert_string_equal(look(&w, &v, 202000), "1:1 ");
    assert_string_equal(look(&w, &v, 262000), "9:81 ");
    v.n_temperatures = 2;
    v.temperatures[1] = (struct snmp_sensor){.name = "cpu", .alarm = true};
    assert_string_equal(look(&w, &v, 263000), "3:cpu ");
    assert_string_equal(look(&w, &v, 265000), "");
    assert_string_equal(look(&w, &v, 268000), "3:cpu ");
    v.temperatures[1].alarm = false;
    v.n_raids = 1;
    v.raids[0] = (struct snmp_raid){.name = "md0", .status = RAID_FAILED};
    assert_string_equal(look(&w, &v, 274000), "7:md0 ");
    assert_string_equal(look(&w, &v, 275000), "");
    v.raids[0].status = RAID_HEALTHY;
    assert_string_equal(look(&w, &v, 276000), "7:md0 ");
    assert_int_equal(w.raid_events, 2);
}

static void traps_have_names(void **state)
{
    (void)state;
    assert_int_equal(snmp_trap_find(str_lit("12")), 12);
    assert_int_equal(snmp_trap_find(str_lit("UPDATEfailure")), TRAP_UPDATE);
    assert_int_equal(snmp_trap_find(str_lit("0")), 0);
    assert_int_equal(snmp_trap_find(str_lit("13")), 0);
    assert_int_equal(snmp_trap_find(str_lit("")), 0);
    for (unsigned i = 1; i < TRAP_COUNT; i++)
        assert_int_equal(snmp_trap_find(str_c(snmp_trap_name(i))), i);
}

/* --- sensors ------------------------------------------------------------------------------------------------------- */

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void sensors_and_arrays_are_read(void **state)
{
    static struct snmp_values v;
    char dir[] = "/tmp/snmp_test.XXXXXX", path[PATH_MAX], command[PATH_MAX];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof command, "mkdir -p %s/class/hwmon/hwmon1", dir);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/class/hwmon/hwmon1", dir);
    write_file(path, "name", "coretemp\n");
    write_file(path, "temp1_input", "45500\n");
    write_file(path, "temp1_label", "Package id 0\n");
    write_file(path, "temp1_crit", "45000\n");
    write_file(path, "fan2_input", "900\n");
    write_file(dir, "mdstat",
               "Personalities : [raid1]\nmd0 : active raid1 sdb1[1] sda1[0]\n      1000 blocks [2/2] [UU]\n\n"
               "md1 : active raid1 sdb2[1]\n      1000 blocks [2/1] [U_]\n      [==>....]  recovery = 12.6%\n\n"
               "md2 : active raid1 sdb3[1]\n      1000 blocks [2/1] [_U]\n\nunused devices: <none>\n");
    snmp_sensors_read(&v, dir);
    snmp_raids_read(&v, dir);
    assert_int_equal(v.n_temperatures, 1);
    assert_string_equal(v.temperatures[0].name, "coretemp Package id 0");
    assert_int_equal(v.temperatures[0].value, 45);
    assert_true(v.temperatures[0].alarm);
    assert_int_equal(v.n_fans, 1);
    assert_string_equal(v.fans[0].name, "coretemp fan2");
    assert_false(v.fans[0].alarm);
    assert_int_equal(v.n_raids, 3);
    assert_int_equal(v.raids[0].status, RAID_HEALTHY);
    assert_string_equal(v.raids[0].error, "No Errors");
    assert_int_equal(v.raids[1].status, RAID_REBUILDS);
    assert_int_equal(v.raids[2].status, RAID_FAILED);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    snmp_sensors_read(&v, dir);
    snmp_raids_read(&v, dir);
    assert_int_equal(v.n_temperatures + v.n_fans + v.n_raids, 0);
}

/* --- the URL check ------------------------------------------------------------------------------------------------- */

static void urls(void **state)
{
    struct snmp_url u;

    (void)state;
    assert_true(snmp_url_parse(str_lit("http://host/a/b?c"), &u));
    assert_true(u.http && str_eq(u.host, str_lit("host")) && str_eq(u.port, str_lit("80")) &&
                str_eq(u.path, str_lit("/a/b?c")));
    assert_true(snmp_url_parse(str_lit("HTTPS://[::1]:8443"), &u));
    assert_true(!u.http && str_eq(u.host, str_lit("::1")) && str_eq(u.port, str_lit("8443")) && u.path.n == 0);
    assert_true(snmp_url_parse(str_lit("tcp://h:25"), &u));
    assert_false(snmp_url_parse(str_lit("tcp://h"), &u));
    assert_false(snmp_url_parse(str_lit("http://"), &u));
    assert_false(snmp_url_parse(str_lit("ftp://h/"), &u));
    assert_int_equal(snmp_http_status(str_lit("HTTP/1.1 204 No Content\r\n")), 204);
    assert_int_equal(snmp_http_status(str_lit("HTTP/1.1 200")), 0);
    assert_int_equal(snmp_http_status(str_lit("HT")), 0);
    assert_int_equal(snmp_http_status(str_lit("SSH-2.0-x\r\n")), -1);
    assert_int_equal(snmp_http_status(str_lit("HTTP/1.1\n 200")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v3_is_served_and_nothing_else),
        cmocka_unit_test(keys_belong_to_one_engine),
        cmocka_unit_test(communities),
        cmocka_unit_test(trap_targets),
        cmocka_unit_test(state_keeps_the_boots),
        cmocka_unit_test(the_tree_is_sorted),
        cmocka_unit_test(names_of_any_length),
        cmocka_unit_test(disk_summary_has_one_unit),
        cmocka_unit_test(traps_are_due),
        cmocka_unit_test(traps_have_names),
        cmocka_unit_test(sensors_and_arrays_are_read),
        cmocka_unit_test(urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
