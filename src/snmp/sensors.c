/*
 * Temperatures, fans and disk arrays as Linux shows them. See values.h.
 *
 * Called by values.c. Owns nothing. A machine without them (a virtual one) gives no rows. Rows are in the order of the
 * kernel's own names, so an index stands for the same part after a restart.
 */
#include "snmp/values.h"

#include "base/io.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHIPS = 32, INPUTS = 32, HOT_DEFAULT = 95 };

static bool read_text(const char *path, char out[SNMP_TEXT])
{
    struct buf b = BUF(65536);
    struct str s;
    bool ok = io_read_file(path, &b, NULL) == RC_OK;

    s = str_first(str_trim(buf_str(&b)), SNMP_TEXT - 1);
    if (ok) {
        memcpy(out, s.p ? s.p : "", s.n);
        out[s.n] = '\0';
    }
    buf_done(&b);
    return ok;
}

static bool read_number(const char *chip, const char *kind, unsigned i, const char *what, uint64_t *out)
{
    char path[PATH_MAX], text[SNMP_TEXT];

    snprintf(path, sizeof path, "%s/%s%u_%s", chip, kind, i, what);
    return read_text(path, text) && str_u64(str_c(text), out);
}

static void name_sensor(const char *chip, const char *kind, unsigned i, char out[SNMP_TEXT])
{
    char path[PATH_MAX], label[SNMP_TEXT], chip_name[SNMP_TEXT] = "";

    snprintf(path, sizeof path, "%s/name", chip);
    read_text(path, chip_name);
    snprintf(path, sizeof path, "%s/%s%u_label", chip, kind, i);
    if (!read_text(path, label))
        snprintf(label, sizeof label, "%s%u", kind, i);
    snprintf(out, SNMP_TEXT, "%.60s %.60s", chip_name, label);
}

static void add_temperatures(struct snmp_values *v, const char *chip)
{
    for (unsigned i = 1; i <= INPUTS && v->n_temperatures < SNMP_SENSORS; i++) {
        struct snmp_sensor *s = &v->temperatures[v->n_temperatures];
        uint64_t milli, limit;

        if (!read_number(chip, "temp", i, "input", &milli))
            continue;
        if (!read_number(chip, "temp", i, "crit", &limit) && !read_number(chip, "temp", i, "max", &limit))
            limit = HOT_DEFAULT * 1000;
        s->value = milli / 1000;
        s->alarm = limit && milli >= limit;
        name_sensor(chip, "temp", i, s->name);
        v->n_temperatures++;
    }
}

static void add_fans(struct snmp_values *v, const char *chip)
{
    for (unsigned i = 1; i <= INPUTS && v->n_fans < SNMP_SENSORS; i++) {
        struct snmp_sensor *s = &v->fans[v->n_fans];
        uint64_t least = 0;

        if (!read_number(chip, "fan", i, "input", &s->value))
            continue;
        read_number(chip, "fan", i, "min", &least);
        s->alarm = least && s->value < least;
        name_sensor(chip, "fan", i, s->name);
        v->n_fans++;
    }
}

void snmp_sensors_read(struct snmp_values *v, const char *sys)
{
    char chip[PATH_MAX];

    v->n_temperatures = v->n_fans = 0;
    for (unsigned i = 0; i < CHIPS; i++) {
        snprintf(chip, sizeof chip, "%s/class/hwmon/hwmon%u", sys, i);
        add_temperatures(v, chip);
        add_fans(v, chip);
    }
}

/* "md0 : active raid1 ..." and, in the lines below it, "[2/1] [U_]" and "recovery = 12.6%". */
static void read_array(struct str line, struct snmp_values *v)
{
    struct str name = str_first(line, str_find(line, ' '));
    struct snmp_raid *r;

    if (!str_starts(line, str_lit("md")) || v->n_raids == SNMP_RAIDS)
        return;
    r = &v->raids[v->n_raids++];
    snprintf(r->name, sizeof r->name, "%.*s", STR(str_first(name, SNMP_TEXT - 1)));
    snprintf(r->error, sizeof r->error, "No Errors");
    r->status = RAID_HEALTHY;
}

static void judge_array(struct str line, struct snmp_values *v)
{
    struct snmp_raid *r = v->n_raids ? &v->raids[v->n_raids - 1] : NULL;
    struct str marks = str_from(line, str_find_last(line, '['));

    if (!r || str_starts(line, str_lit("md")))
        return;
    if (str_find(marks, '_') < marks.n && r->status == RAID_HEALTHY && str_find(line, '/') < line.n) {
        r->status = RAID_FAILED;
        snprintf(r->error, sizeof r->error, "degraded: %.*s", STR(str_first(str_trim(marks), 40)));
    }
    if (str_find_str(line, str_lit("recovery =")) < line.n || str_find_str(line, str_lit("resync =")) < line.n)
        r->status = RAID_REBUILDS;
}

void snmp_raids_read(struct snmp_values *v, const char *proc)
{
    struct buf b = BUF(65536);
    char path[PATH_MAX];
    struct str rest, line;

    v->n_raids = 0;
    snprintf(path, sizeof path, "%s/mdstat", proc);
    io_read_file(path, &b, NULL);
    rest = buf_str(&b);
    while (rest.n && str_split(&rest, '\n', &line)) {
        read_array(line, v);
        judge_array(line, v);
    }
    buf_done(&b);
}
