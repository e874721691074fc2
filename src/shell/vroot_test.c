/* The virtual root: what paths name, what is shown, what may be written, that nothing outside can be reached. */
#include "base/clock.h"
#include "base/io.h"
#include "shell/files_testing.h"
#include "shell/vpath.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct vpath at(const char *text)
{
    struct vpath p = {0};

    assert_int_equal(vpath_make(str_lit("/"), str_c(text), &p, NULL), RC_OK);
    return p;
}

/* cli.md 1.1: //configuration/config.xml (double slash) is the same file; dots are resolved as text and stop at the top. */
static void paths_are_cleaned(void **state)
{
    static const struct {
        const char *from, *text, *clean;
        enum vplace place;
        const char *file;
    } rows[] = {
        {"/", "//configuration/config.xml", "/configuration/config.xml", VPLACE_CONFIGURATION, "config.xml"},
        {"/", "", "/", VPLACE_TOP, ""},
        {"/mail_logs", "", "/mail_logs", VPLACE_LOG, ""},
        {"/mail_logs", "mail.current", "/mail_logs/mail.current", VPLACE_LOG, "mail.current"},
        {"/mail_logs", "../captures/./x", "/captures/x", VPLACE_CAPTURES, "x"},
        {"/mail_logs", "/..//../..", "/", VPLACE_TOP, ""},
        {"/", "../../etc/passwd", "/etc/passwd", VPLACE_LOG, "passwd"},
        {"/", "antivirus/", "/antivirus", VPLACE_ANTIVIRUS, ""},
        {"/", "configurations", "/configurations", VPLACE_LOG, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vpath p;

        assert_int_equal(vpath_make(str_c(rows[i].from), str_c(rows[i].text), &p, NULL), RC_OK);
        assert_string_equal(p.text, rows[i].clean);
        assert_string_equal(p.file, rows[i].file);
        assert_int_equal(p.place, rows[i].place);
    }
}

static void paths_that_cannot_be_are_refused(void **state)
{
    static char endless[VPATH_MAX + 2], name[VNAME_MAX + 3] = "/";
    struct vpath p;

    (void)state;
    memset(endless, '/', sizeof endless - 1);
    memset(name + 1, 'a', VNAME_MAX + 1);
    assert_int_equal(vpath_make(str_lit("/"), str_c(endless), &p, NULL), RC_INVALID);
    assert_int_equal(vpath_make(str_lit("/"), str_c(name), &p, NULL), RC_INVALID);
    assert_int_equal(vpath_make(str_lit("/"), str_lit("/a\0b"), &p, NULL), RC_INVALID);
    assert_int_equal(vpath_make(str_lit("/"), str_lit("/a\nb"), &p, NULL), RC_INVALID);
    assert_int_equal(vpath_make(str_lit("/"), str_lit("/a/b/c"), &p, NULL), RC_NOT_FOUND);
    assert_int_equal(vpath_make(str_lit("/"), str_lit("/configuration/.upload.1"), &p, NULL), RC_NOT_FOUND);
    assert_int_equal(vpath_make(str_lit("/"), str_lit("/.ssh/id"), &p, NULL), RC_NOT_FOUND);
}

static void assert_listed(const struct files_home *h, const char *folder, const char *names)
{
    struct vpath p = at(folder);
    struct vlist list;
    struct arena a;
    char text[2000] = "";

    arena_init(&a, 1024, VROOT_LIST_BYTES);
    assert_int_equal(vroot_list(&h->v, &p, &a, &list, NULL), RC_OK);
    for (size_t i = 0; i < list.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s%s", i ? " " : "", STR(list.items[i].name),
                 list.items[i].st.folder ? "/" : "");
    assert_string_equal(text, names);
    arena_done(&a);
}

/* cli.md 1.1: configuration, captures, antivirus and a folder for each log; links, folders and other things are not shown.
 */
static void folders_show_files_alone(void **state)
{
    struct files_home *h = files_home_new();

    (void)state;
    assert_int_equal(files_shell(NULL, 0,
                                 "cd %s && ln -s ../../keys/host log/mail_logs/host && ln -s ../keys log/keys && "
                                 "mkdir log/mail_logs/sub && mkfifo log/mail_logs/pipe && mkdir log/captures",
                                 h->path),
                     0);
    assert_listed(h, "/", "antivirus/ bounces/ captures/ configuration/ mail_logs/");
    assert_listed(h, "/mail_logs", "mail.@20261121T100000.s mail.@20261121T110000.s mail.current");
    assert_listed(h, "/configuration", "config.dtd");
    assert_listed(h, "/captures", "c.cap");
    assert_listed(h, "/antivirus", "");
    files_home_free(h);
}

/* Links, the home's other files and devices cannot be read by any path. */
static void nothing_outside_is_reached(void **state)
{
    static const char *const paths[] = {"/keys/host",      "/stray",      "/log/stray",      "/mail_logs/../keys/host",
                                        "/mail_logs/host", "/link/host",  "/mail_logs/pipe", "/configuration/link",
                                        "/etc/passwd",     "/antivirus/x"};
    struct files_home *h = files_home_new();

    (void)state;
    assert_int_equal(files_shell(NULL, 0,
                                 "cd %s && ln -s ../../keys/host log/mail_logs/host && ln -s ../keys log/link && "
                                 "mkfifo log/mail_logs/pipe && ln -s ../keys/host configuration/link",
                                 h->path),
                     0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct vpath p = at(paths[i]);
        struct vstat st;
        int fd;

        assert_int_equal(vroot_read(&h->v, &p, &fd, &st, NULL), RC_NOT_FOUND);
        assert_int_equal(vroot_stat(&h->v, &p, &st, NULL), RC_NOT_FOUND);
    }
    files_home_free(h);
}

static enum rc write_file(const struct files_home *h, const char *path, enum vwrite_mode mode, const char *content)
{
    struct vpath p = at(path);
    struct vwrite w;

    TRY(vwrite_begin(&h->v, &p, mode, &w, NULL));
    assert_int_equal(vwrite_at(&w, mode == VWRITE_KEEP ? w.size : 0, str_c(content), NULL), RC_OK);
    return vwrite_commit(&w, NULL);
}

static void assert_content(const struct files_home *h, const char *name, const char *content)
{
    char *text = files_get(h, name);

    assert_non_null(text);
    assert_string_equal(text, content);
    free(text);
}

/* A file appears under its name when it is whole; a link of that name is replaced, not followed. */
static void files_are_written_whole(void **state)
{
    struct files_home *h = files_home_new();
    struct vpath p = at("/configuration/config.xml");
    struct vwrite w;

    (void)state;
    assert_int_equal(files_shell(NULL, 0, "ln -s ../keys/host %s/configuration/config.xml", h->path), 0);
    assert_int_equal(vwrite_begin(&h->v, &p, VWRITE_REPLACE, &w, NULL), RC_OK);
    assert_int_equal(vwrite_at(&w, 0, str_lit("<config/>"), NULL), RC_OK);
    assert_listed(h, "/configuration", "config.dtd");
    assert_int_equal(vwrite_commit(&w, NULL), RC_OK);
    assert_listed(h, "/configuration", "config.dtd config.xml");
    assert_content(h, "configuration/config.xml", "<config/>");
    assert_content(h, "keys/host", "SECRET");
    assert_int_equal(write_file(h, "/configuration/config.xml", VWRITE_KEEP, "more"), RC_OK);
    assert_content(h, "configuration/config.xml", "<config/>more");
    assert_int_equal(write_file(h, "/configuration/config.xml", VWRITE_NEW, "x"), RC_EXISTS);
    assert_int_equal(files_shell(NULL, 0, "test $(ls -A %s/configuration | wc -l) = 2", h->path), 0);
    assert_non_null(strstr(h->told, "wrote /configuration/config.xml, 9 bytes\n"));
    files_home_free(h);
}

static void other_places_and_names_are_refused(void **state)
{
    struct files_home *h = files_home_new();

    (void)state;
    assert_int_equal(write_file(h, "/mail_logs/mail.current", VWRITE_REPLACE, "x"), RC_NOT_PERMITTED);
    assert_int_equal(write_file(h, "/captures/x", VWRITE_REPLACE, "x"), RC_NOT_PERMITTED);
    assert_int_equal(write_file(h, "/x", VWRITE_REPLACE, "x"), RC_NOT_PERMITTED);
    assert_int_equal(write_file(h, "/configuration", VWRITE_REPLACE, "x"), RC_INVALID);
    assert_int_equal(write_file(h, "/configuration/a b", VWRITE_REPLACE, "x"), RC_INVALID);
    assert_int_equal(write_file(h, "/configuration/\xc3\xa4", VWRITE_REPLACE, "x"), RC_INVALID);
    files_home_free(h);
}

/* 64 MB a file, and no more than the folder's limit of files: a login cannot fill the disk. */
static void sizes_and_counts_are_bounded(void **state)
{
    struct files_home *h = files_home_new();
    struct vpath p = at("/configuration/big");
    struct vwrite w;
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(vwrite_begin(&h->v, &p, VWRITE_REPLACE, &w, NULL), RC_OK);
    assert_int_equal(vwrite_at(&w, VROOT_FILE_MAX - 1, str_lit("x"), NULL), RC_OK);
    assert_int_equal(vwrite_at(&w, VROOT_FILE_MAX - 1, str_lit("xy"), &e), RC_TOO_LARGE);
    assert_string_equal(e.text, "File too large: the limit is 64 MB");
    assert_int_equal(vwrite_at(&w, UINT64_MAX, str_lit("xy"), &e), RC_TOO_LARGE);
    assert_int_equal(vwrite_cut(&w, (uint64_t)VROOT_FILE_MAX + 1, &e), RC_TOO_LARGE);
    vwrite_abort(&w);
    assert_int_equal(
        files_shell(NULL, 0, "cd %s/configuration && seq -f f%%g %d | xargs touch", h->path, VROOT_FILES_MAX - 1), 0);
    assert_int_equal(vwrite_begin(&h->v, &p, VWRITE_REPLACE, &w, &e), RC_LIMIT);
    files_home_free(h);
}

static void renames_and_deletions_stay_where_they_may(void **state)
{
    struct files_home *h = files_home_new();
    struct vpath dtd = at("/configuration/config.dtd"), x = at("/configuration/x"), cap = at("/captures/c.cap"),
                 log = at("/mail_logs/mail.current"), none = at("/configuration/none"), folder = at("/mail_logs");

    (void)state;
    assert_int_equal(write_file(h, x.text, VWRITE_REPLACE, "x"), RC_OK);
    assert_int_equal(vroot_rename(&h->v, &x, &dtd, false, NULL), RC_EXISTS);
    assert_int_equal(vroot_rename(&h->v, &x, &dtd, true, NULL), RC_OK);
    assert_content(h, "configuration/config.dtd", "x");
    assert_int_equal(vroot_rename(&h->v, &dtd, &log, true, NULL), RC_NOT_PERMITTED);
    assert_int_equal(vroot_rename(&h->v, &cap, &x, true, NULL), RC_NOT_PERMITTED);
    assert_int_equal(vroot_rename(&h->v, &none, &x, true, NULL), RC_NOT_FOUND);
    assert_int_equal(vroot_remove(&h->v, &log, NULL), RC_NOT_PERMITTED);
    assert_int_equal(vroot_remove(&h->v, &folder, NULL), RC_INVALID);
    assert_int_equal(vroot_remove(&h->v, &none, NULL), RC_NOT_FOUND);
    assert_int_equal(vroot_remove(&h->v, &cap, NULL), RC_OK);
    assert_int_equal(vroot_remove(&h->v, &dtd, NULL), RC_OK);
    assert_listed(h, "/captures", "");
    assert_listed(h, "/configuration", "");
    files_home_free(h);
}

/* What a killed session left goes with the next one; an upload under way stays. */
static void broken_uploads_are_swept(void **state)
{
    struct files_home *h = files_home_new();
    struct vpath p = at("/configuration/x");
    struct vwrite w;
    struct vroot next;

    (void)state;
    assert_int_equal(vwrite_begin(&h->v, &p, VWRITE_REPLACE, &w, NULL), RC_OK);
    files_put(h, "configuration/.upload.0", "x", 1);
    assert_int_equal(files_shell(NULL, 0, "touch -d '2 hours ago' %s/configuration/.upload.*", h->path), 0);
    assert_int_equal(vroot_open(&next, h->path, NULL), RC_OK);
    vroot_close(&next);
    assert_null(files_get(h, "configuration/.upload.0"));
    assert_int_equal(vwrite_commit(&w, NULL), RC_OK);
    files_home_free(h);
}

static void patterns_match_in_the_last_part(void **state)
{
    struct files_home *h = files_home_new();
    struct vpath p = at("/mail_logs/*.s"), folder;
    struct vlist list;
    struct arena a;

    (void)state;
    arena_init(&a, 1024, VROOT_LIST_BYTES);
    assert_true(vpath_has_pattern(&p));
    assert_int_equal(vroot_match(&h->v, &p, &a, &folder, &list, NULL), RC_OK);
    assert_string_equal(folder.text, "/mail_logs");
    assert_int_equal(list.n, 2);
    p = at("/mail_*");
    assert_int_equal(vroot_match(&h->v, &p, &a, &folder, &list, NULL), RC_OK);
    assert_int_equal(list.n, 1);
    p = at("/*/host");
    assert_int_equal(vroot_match(&h->v, &p, &a, &folder, &list, NULL), RC_NOT_FOUND);
    p = at("/mail_logs/*.xml");
    assert_int_equal(vroot_match(&h->v, &p, &a, &folder, &list, NULL), RC_NOT_FOUND);
    arena_done(&a);
    files_home_free(h);
}

/* cli.md 5: file access is for Administrator, Operator and Technician. */
static void roles_without_file_access(void **state)
{
    static const bool may[] = {true, true, false, false, true, false, false};

    (void)state;
    for (unsigned i = 0; i < sizeof may / sizeof *may; i++)
        assert_int_equal(vroot_allowed(i), may[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_cleaned),
        cmocka_unit_test(paths_that_cannot_be_are_refused),
        cmocka_unit_test(folders_show_files_alone),
        cmocka_unit_test(nothing_outside_is_reached),
        cmocka_unit_test(files_are_written_whole),
        cmocka_unit_test(other_places_and_names_are_refused),
        cmocka_unit_test(sizes_and_counts_are_bounded),
        cmocka_unit_test(renames_and_deletions_stay_where_they_may),
        cmocka_unit_test(broken_uploads_are_swept),
        cmocka_unit_test(patterns_match_in_the_last_part),
        cmocka_unit_test(roles_without_file_access),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
