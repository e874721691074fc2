/*
 * Questions about one log subscription. See log_ask.h.
 *
 * Called by cmd_logconfig.c. Owns nothing. Numbers of options stay: 5 of the retrieval methods is kept free.
 */
#include "console/log_ask.h"

#include "conf/schedule.h"
#include "conf/value.h"
#include "event/log_name.h"
#include "event/render.h"

#include <inttypes.h>

enum { PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_TLS };
enum { PORT_FTP = 21, PORT_SCP = 22, PORT_SYSLOG = 514, PORT_SYSLOG_TLS = 6514 };

/* Of one subscription, while its questions are asked. */
struct asking {
    struct str name;
    const char *field;
};

static const struct conf_log *log_of(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->log, name);
}

static bool put(struct session *s, struct str name, const char *field, struct str value)
{
    return field_put(s, ops_section("log"), name, field, value);
}

static void ask_rows(struct session *s, struct str name, const char *fields)
{
    fields_ask(s, ops_section("log"), name, fields);
}

const char *log_ask_retrieval(uint64_t retrieval)
{
    static const char *const methods[] = {"Manual Download", "FTP Push", "SCP Push", "Syslog Push"};

    return retrieval < sizeof methods / sizeof *methods ? methods[retrieval] : "Unknown";
}

struct strs log_ask_titles(struct session *s)
{
    struct str *titles = arena_must_alloc(&s->arena, LOG_TYPE_COUNT * sizeof *titles);

    for (size_t i = 0; i < LOG_TYPE_COUNT; i++)
        titles[i] = log_type_title((enum log_type)i);
    return (struct strs){titles, LOG_TYPE_COUNT};
}

bool log_ask_type_find(struct session *s, struct str text, uint64_t *out)
{
    uint64_t n;

    if (str_u64(text, &n) && n >= 1 && n <= LOG_TYPE_COUNT) {
        *out = n - 1;
        return true;
    }
    for (size_t i = 0; i < LOG_TYPE_COUNT; i++) {
        if (str_eqi(text, log_type_title((enum log_type)i)) || str_eqi(text, log_type_word((enum log_type)i))) {
            *out = i;
            return true;
        }
    }
    session_missing(s, "Log type", text);
    return false;
}

bool log_ask_put_choice(struct session *s, struct str name, const char *field, size_t choice)
{
    const struct conf_setting *f = conf_setting_find(ops_section("log"), str_c(field));
    struct str word;

    return conf_choice(f, choice, &word) && put(s, name, field, word);
}

/* --- where it goes --------------------------------------------------------------------------------------------------------
 */

static bool host_fits(struct session *s, void *ctx, struct str answer)
{
    const struct asking *a = ctx;

    return ops_host_fits(s, NULL, answer) && put(s, a->name, a->field, answer);
}

static void ask_host(struct session *s, struct str name)
{
    struct str old = arena_str(&s->arena, log_of(s, name)->host);

    ask_value(s, "Hostname to deliver the logs:", old.n ? old.p : NULL, host_fits, &(struct asking){name, "host"});
}

static bool user_fits(struct session *s, void *ctx, struct str answer)
{
    const struct asking *a = ctx;

    if (answer.n)
        return put(s, a->name, a->field, answer);
    say(s, "A value is needed.\n");
    return false;
}

static void ask_user(struct session *s, struct str name)
{
    struct str old = arena_str(&s->arena, log_of(s, name)->user);

    ask_value(s, "Username on the remote host:", old.n ? old.p : NULL, user_fits, &(struct asking){name, "user"});
}

/* The port that everybody uses is kept as 0. */
static void ask_port(struct session *s, struct str name, uint64_t usual)
{
    uint64_t old = log_of(s, name)->port;
    uint64_t n = ask_number(s, "Port to connect to on the remote host:", old ? old : usual, 1, 65535);

    put(s, name, "port", arena_printf(&s->arena, "%" PRIu64, n == usual ? 0 : n));
}

static void say_key(struct session *s)
{
    struct buf *key = session_buf(s, 1 << 16);

    if (session_call(s, key, NULL, "pushkey", NULL) == RC_OK)
        say(s,
            "Please place the following SSH key into your authorized_keys file on the remote host so that the log "
            "files can be uploaded:\n\n%.*s\n",
            STR(buf_str(key)));
    say(s, "The host key of the server is checked: enter it with HOSTKEYCONFIG.\n");
}

static void ask_syslog(struct session *s, struct str name)
{
    uint64_t protocol = log_of(s, name)->protocol;
    static const char *const protocols[] = {"UDP", "TCP", NULL};

    ask_host(s, name);
    ask_port(s, name, protocol == PROTOCOL_TLS ? PORT_SYSLOG_TLS : PORT_SYSLOG);
    protocol =
        ask_one_of(s, "Which protocol do you want to use to transfer the log data?", protocol != PROTOCOL_UDP, protocols);
    ask_rows(s, name, "facility");
    if (protocol != PROTOCOL_UDP &&
        ask_yes(s, "Do you want to send the log data over TLS (port 6514 unless another one is set)?",
                log_of(s, name)->protocol == PROTOCOL_TLS))
        protocol = PROTOCOL_TLS;
    log_ask_put_choice(s, name, "protocol", protocol);
    ask_rows(s, name, protocol == PROTOCOL_TLS ? "ca_file tag header_host" : "tag header_host");
}

static void ask_retrieval(struct session *s, struct str name)
{
    static const char *const methods[] = {"Manual Download", "FTP Push", "SCP Push", "Syslog Push", NULL};
    size_t method = ask_one_of(s, "Choose the method to retrieve the logs:", log_of(s, name)->retrieval, methods);

    log_ask_put_choice(s, name, "retrieval", method);
    if (method == LOG_RETRIEVAL_FTP) {
        ask_host(s, name);
        ask_port(s, name, PORT_FTP);
        ask_rows(s, name, "user password directory names");
    } else if (method == LOG_RETRIEVAL_SCP) {
        ask_host(s, name);
        ask_port(s, name, PORT_SCP);
        ask_user(s, name);
        ask_rows(s, name, "directory names");
        say_key(s);
    } else if (method == LOG_RETRIEVAL_SYSLOG) {
        ask_syslog(s, name);
    }
}

/* --- files ----------------------------------------------------------------------------------------------------------------
 */

static bool stem_fits(struct session *s, void *ctx, struct str answer)
{
    const struct asking *a = ctx;
    char stem[LOG_STEM_MAX];

    log_stem(a->name, STR_NONE, stem);
    if (str_eq(answer, str_c(stem)))
        return put(s, a->name, a->field, STR_NONE); /* the usual one */
    if (log_name_safe(answer))
        return put(s, a->name, a->field, answer);
    say(s, "A file name is of letters, digits, _, - and dots, and shorter than %d.\n", LOG_NAME_MAX);
    return false;
}

static bool schedule_fits(struct session *s, void *ctx, struct str answer)
{
    const struct asking *a = ctx;
    struct schedule schedule;
    struct err e = ERR_NONE;

    if (schedule_parse(answer, &schedule, &e) == RC_OK)
        return put(s, a->name, a->field, answer);
    session_fail(s, &e);
    return false;
}

static void ask_files(struct session *s, struct str name)
{
    struct str schedule = arena_str(&s->arena, log_of(s, name)->rollover);
    char stem[LOG_STEM_MAX];

    log_stem(name, log_of(s, name)->file, stem);
    ask_value(s, "Enter the filename for the log:", arena_str(&s->arena, str_c(stem)).p, stem_fits,
              &(struct asking){name, "file"});
    ask_rows(s, name, "size max_files");
    ask_value(s,
              "When should the log be rolled over besides (none, an interval such as 2h30m, daily HH:MM, weekly DAY HH:MM)?",
              schedule.n ? schedule.p : "none", schedule_fits, &(struct asking){name, "rollover"});
}

void log_ask_level(struct session *s, struct str name)
{
    static const char *const levels[] = {"Critical", "Warning", "Information", "Debug", "Trace", NULL};

    log_ask_put_choice(s, name, "level", ask_one_of(s, "Log level:", log_of(s, name)->level, levels));
}

void log_ask(struct session *s, struct str name)
{
    log_ask_level(s, name);
    ask_retrieval(s, name);
    ask_files(s, name);
    /* rows that came later */
    ask_rows(s, name,
             "-type level retrieval host port user password directory names protocol facility tag header_host "
             "ca_file file size max_files rollover");
}
