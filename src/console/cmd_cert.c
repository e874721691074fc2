/*
 * certconfig: certificates, their keys, and the authorities that deliveries trust (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. Files of HOME/keys are written by control (verb keys), each under a name of
 * its own: a certificate that is replaced stays in force until the commit. Keys and passphrases pass through, they are not
 * kept.
 */
#include "admin/certificate.h"
#include "console/commands.h"
#include "console/files.h"
#include "console/ops.h"

enum { PEM_MAX = 1 << 22 };

static const struct menu certificates = {"certconfig", "certificate", "certificate", "", ""};

static const struct conf_section *section(void)
{
    return ops_section("certificate");
}

static const struct conf_certificate *find(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->certificate, name);
}

/* Asks control; its reply names the files. */
static enum rc keys(struct session *s, const struct str *words, size_t n, struct str *stem)
{
    struct buf *text = session_buf(s, 1 << 20);
    enum rc rc = session_ask(s, words, n, text, NULL);

    *stem = str_trim(buf_str(text));
    if (rc != RC_OK)
        say(s, "%.*s\n", STR(*stem));
    return rc;
}

static enum rc put_pair(struct session *s, struct str name, struct str stem)
{
    struct err e = ERR_NONE;
    void *item;

    if (conf_draft_item(session_draft(s), section(), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    return field_put(s, section(), name, "cert_file", arena_printf(&s->arena, "%.*s.crt", STR(stem))) &&
                   field_put(s, section(), name, "key_file", arena_printf(&s->arena, "%.*s.key", STR(stem)))
               ? RC_OK
               : RC_INVALID;
}

static enum rc store(struct session *s, struct str name, struct str cert, struct str key)
{
    struct str words[] = {str_lit("keys"), str_lit("store"), name, cert, key}, stem;

    TRY(keys(s, words, 5, &stem));
    return put_pair(s, name, stem);
}

static void facts(struct session *s, struct str name)
{
    struct str words[] = {str_lit("certificate"), str_lit("facts"), find(s, name)->cert_file};
    struct buf *text = session_buf(s, 1 << 20);

    if (!words[2].n || !str_starts(words[2], str_lit("keys/"))) {
        say(s, "File: %.*s\n", STR(words[2]));
        return;
    }
    session_ask(s, words, 3, text, NULL);
    say_str(s, buf_str(text));
}

/* --- CERTIFICATE --------------------------------------------------------------------------------------------------- */

static bool is_new(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (answer.n && answer.n <= 128 && !find(s, answer))
        return true;
    say(s, "A certificate named %.*s exists already.\n", STR(str_first(answer, 100)));
    return false;
}

static struct str ask_name(struct session *s)
{
    return ask_value(s, "Enter a name for this certificate profile:", NULL, is_new, NULL);
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct str words[4] = {str_lit("keys"), str_lit("make")}, stem;

    (void)ctx;
    words[2] = ask_name(s);
    words[3] = ask_value(s, "Enter the host name (common name) of the self-signed certificate:",
                         arena_str(&s->arena, session_conf(s)->system.hostname).p, ops_host_fits, NULL);
    TRY(keys(s, words, 4, &stem));
    TRY(put_pair(s, words[2], stem));
    facts(s, words[2]);
    return RC_OK;
}

static enum rc paste(struct session *s, struct str name)
{
    struct str cert, key, more;

    if (!ask_lines(s, "Paste the certificate in PEM format.", &cert) ||
        !ask_lines(s, "Paste the private key in PEM format, without a passphrase.", &key))
        return RC_INVALID;
    while (ask_yes(s, "Do you want to add an intermediate certificate?", false)) {
        if (!ask_lines(s, "Paste the intermediate certificate.", &more))
            return RC_INVALID;
        cert = arena_printf(&s->arena, "%.*s%.*s", STR(cert), STR(more));
    }
    TRY(store(s, name, cert, key));
    facts(s, name);
    return RC_OK;
}

static enum rc op_paste(struct session *s, void *ctx)
{
    (void)ctx;
    return paste(s, ask_name(s));
}

/* The part of a PEM file with the private key; the rest are certificates. */
static bool key_part(struct str pem, struct str *key)
{
    size_t mark = str_find_str(pem, str_lit("PRIVATE KEY-----")), from, end;
    struct str rest;

    if (mark == pem.n)
        return false;
    from = mark;
    while (from > 0 && pem.p[from - 1] != '\n')
        from--;
    rest = str_from(pem, mark + 16);
    end = str_find_str(rest, str_lit("PRIVATE KEY-----"));
    if (end == rest.n)
        return false;
    *key = str_of(pem.p + from, mark + 16 + end + 16 - from);
    return true;
}

static void wipe(void *ctx)
{
    certificate_wipe(ctx);
}

/* Overwritten when the command ends, however it ends. */
static struct buf *secret_buf(struct session *s)
{
    struct buf *b = arena_must_alloc(&s->arena, sizeof *b);

    *b = BUF(PEM_MAX);
    arena_defer(&s->arena, wipe, b);
    return b;
}

/* A PKCS #12 file is opened here: how long that takes is up to the file. */
static enum rc import_p12(struct session *s, struct str name, struct str file)
{
    struct buf *cert = session_buf(s, PEM_MAX), *key = secret_buf(s);
    struct err e = ERR_NONE;

    say(s, "Enter the passphrase of the file:\n");
    if (certificate_p12_read(file, ask_hidden(s, "[]> "), cert, key, &e) != RC_OK)
        return session_fail(s, &e);
    return store(s, name, buf_str(cert), buf_str(key));
}

static enum rc op_import(struct session *s, void *ctx)
{
    struct str name = ask_name(s), file, key;

    (void)ctx;
    if (ops_import(s, "the certificate and key (PKCS #12 or PEM)", &file) != RC_OK)
        return RC_INVALID;
    if (str_find_str(file, str_lit("-----BEGIN")) < file.n) {
        if (!key_part(file, &key)) {
            say(s, "The file holds no private key without a passphrase.\n");
            return RC_INVALID;
        }
        TRY(store(s, name, file, key));
    } else {
        TRY(import_p12(s, name, file));
    }
    facts(s, name);
    return RC_OK;
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &certificates, "edit");

    (void)ctx;
    if (ask_yes(s, "Do you want to replace the certificate and its key?", false))
        TRY(paste(s, name));
    name = ops_rename(s, "certificate", "certificate", name);
    fields_ask(s, section(), name, "-cert_file key_file");
    return RC_OK;
}

static enum rc op_export(struct session *s, void *ctx)
{
    struct str words[6] = {str_lit("keys"), str_lit("export")}, name = menu_pick(s, &certificates, "export");
    struct str file = ask_value(s, "Enter a name for the PKCS #12 file (it holds the private key):", NULL, NULL, NULL);
    struct buf *text = session_buf(s, 1 << 22);
    struct err e = ERR_NONE;

    (void)ctx;
    words[2] = name;
    words[3] = find(s, name)->cert_file;
    words[4] = find(s, name)->key_file;
    words[5] = ask_secret(s, "Enter a passphrase for the file:", NULL, NULL);
    if (session_ask(s, words, 6, text, NULL) != RC_OK) {
        say_str(s, buf_str(text));
        return RC_INVALID;
    }
    if (files_write(s, file, buf_str(text), &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "File written to %.*s.\n", STR(str_first(file, 200)));
    return RC_OK;
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &certificates, "delete");

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(name)).p, false))
        return RC_OK;
    return menu_delete(s, &certificates, name) ? RC_OK : RC_INVALID;
}

static enum rc op_print(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    for (size_t i = 0; i < c->certificate.n; i++) {
        say(s, "\nName: %.*s\n", STR(c->certificate.items[i].name));
        facts(s, c->certificate.items[i].name);
    }
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, c->certificate.n ? "List of Certificates\n" : "There is no certificate.\n");
    for (size_t i = 0; i < c->certificate.n; i++)
        say(s, "%zu. %.*s (%.*s)\n", i + 1, STR(c->certificate.items[i].name), STR(c->certificate.items[i].cert_file));
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->certificate.n;
}

static enum rc op_certificate(struct session *s, void *ctx)
{
    static const struct op rows[] = {
        {"IMPORT", "Import a certificate from a file", false, op_import},
        {"PASTE", "Paste a certificate into the CLI", false, op_paste},
        {"NEW", "Create a self-signed certificate", false, op_new},
        {"EDIT", "Update a certificate", true, op_edit},
        {"EXPORT", "Export a certificate and its key", true, op_export},
        {"DELETE", "Remove a certificate", true, op_delete},
        {"PRINT", "View certificates with their expiry", true, op_print},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, ctx);
}

/* --- CERTAUTHORITY ------------------------------------------------------------------------------------------------- */

static enum rc op_custom(struct session *s, void *ctx)
{
    struct str words[4] = {str_lit("keys"), str_lit("authorities"), str_lit("authorities")}, path;

    (void)ctx;
    if (ops_import(s, "the certificate authorities (PEM)", &words[3]) != RC_OK)
        return RC_INVALID;
    TRY(keys(s, words, 4, &path));
    if (!session_set(s, "tls.ca_file", path))
        return RC_INVALID;
    say(s, "Deliveries trust these authorities alone. Use SYSTEM to trust those of the system again.\n");
    return RC_OK;
}

static enum rc op_system(struct session *s, void *ctx)
{
    (void)ctx;
    return session_set(s, "tls.ca_file", STR_NONE) ? RC_OK : RC_INVALID;
}

static void show_authorities(struct session *s, void *ctx)
{
    struct str file = session_conf(s)->tls.ca_file;

    (void)ctx;
    say(s, "Certificate authorities that deliveries trust: %.*s\n", STR(file.n ? file : str_lit("those of the system")));
}

static enum rc op_authority(struct session *s, void *ctx)
{
    static const struct op rows[] = {
        {"CUSTOM", "Trust the authorities of a file instead of the system's", false, op_custom},
        {"SYSTEM", "Trust the authorities of the system", false, op_system},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show_authorities, NULL};

    return ops_talk(s, &ops, ctx);
}

enum rc cmd_certconfig(struct session *s)
{
    static const struct op rows[] = {
        {"CERTIFICATE", "Import, create, export or delete certificates", false, op_certificate},
        {"CERTAUTHORITY", "Choose the certificate authorities", false, op_authority},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, NULL, NULL};

    return ops_talk(s, &ops, NULL);
}
