/* MIME under attack: each message here is one that clients read in different ways; every reading must be in the tree. */
#include "mail/mime_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define H "MIME-Version: 1.0\r\n"
#define MIXED H "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define VIRUS "Content-Transfer-Encoding: base64\r\n\r\n" EICAR_BASE64 "\r\n"

struct fix {
    struct arena a;
    struct mime *m;
    struct buf tree;
};

static int start(void **state)
{
    struct fix *f = calloc(1, sizeof *f);

    arena_init(&f->a, 4096, 64 << 20);
    f->tree = BUF(1 << 20);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fix *f = *state;

    arena_done(&f->a);
    buf_done(&f->tree);
    free(f);
    return 0;
}

static void read_it(struct fix *f, struct str message)
{
    f->m = mime_read(&f->a, message);
    buf_clear(&f->tree);
    tree_text(f->m, &f->tree);
    buf_addc(&f->tree, '\0');
}

struct row {
    const char *what, *message, *tree;
    bool ambiguous;
};

static void rows(struct fix *f, const struct row *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        read_it(f, str_c(all[i].message));
        if (strcmp(f->tree.p, all[i].tree) != 0 || f->m->ambiguous != all[i].ambiguous)
            fail_msg("%s%s:\n%swanted:\n%s", all[i].what, f->m->ambiguous ? " (ambiguous)" : "", f->tree.p, all[i].tree);
    }
}

#define ROWS(f, t) rows((f), (t), sizeof(t) / sizeof *(t))

static void structure(void **state)
{
    static const struct row t[] = {
        {"no header at all", "\r\nhello", "1 text/plain\n", false},
        {"nothing", "", "1 text/plain\n", false},
        {"two parts",
         MIXED "This is MIME\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>\r\n--b\r\n\r\ntwo\r\n--b--\r\nbye",
         "1 multipart/mixed\n1.1 text/html\n1.2 text/plain\n", false},
        {"MIME-Version missing", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n",
         "1 multipart/mixed\n1.1 text/plain\n", false},
        {"upper case and white space",
         "CONTENT-TYPE :\r\n\tMULTIPART / MIXED ; BOUNDARY = \"b\" ;\r\n\r\n--b \t\r\n\r\nx\r\n--b-- \r\n",
         "1 multipart/mixed bad_type\n1.1 text/plain\n", false},
        {"comments", "Content-Type: multipart(a \\) (b)c)/mixed (x); (y)boundary(z)=b\r\n\r\n--b\r\n\r\nx\r\n--b--",
         "1 multipart/mixed bad_type\n1.1 text/plain\n", false},
        {"a message inside", MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninside\r\n--b--\r\n",
         "1 multipart/mixed\n1.1 message/rfc822\n1.1.1 text/plain\n", false},
        {"a digest", H "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\ninside\r\n--b--\r\n",
         "1 multipart/digest\n1.1 message/rfc822\n1.1.1 text/plain\n", false},
        {"no end", MIXED "--b\r\n\r\nx\r\n", "1 multipart/mixed no_end\n1.1 text/plain\n", false},
        {"boundary in pieces (RFC 2231)",
         H "Content-Type: multipart/mixed; boundary*1=b; boundary*0*=us-ascii''%61\r\n\r\n--ab\r\n\r\nx\r\n--ab--\r\n",
         "1 multipart/mixed\n1.1 text/plain\n", false},
        {"a piece of a message", "Content-Type: message/partial; id=x; number=1\r\n\r\nx", "1 message/partial partial\n",
         false},
    };

    ROWS((struct fix *)*state, t);
}

static void every_reading_of_the_boundary(void **state)
{
    static const struct row t[] = {
        {"two boundaries",
         H "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n--b\r\n\r\ny\r\n--b--",
         "1 multipart/mixed duplicate_boundary\n1.1 text/plain\n1.2~2 text/plain\n", true},
        {"a boundary inside another parameter",
         H "Content-Type: multipart/mixed; x=\"; boundary=a\"; "
           "boundary=b\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n--b\r\n\r\ny\r\n--b--",
         "1 multipart/mixed duplicate_boundary\n1.1 text/plain\n1.2~2 text/plain\n", true},
        {"an escape in the boundary",
         H "Content-Type: multipart/mixed; boundary=\"b\\c\"\r\n\r\n--bc\r\nContent-Type: text/html\r\n\r\nx\r\n--bc--\r\n",
         "1 multipart/mixed duplicate_boundary\n1.1~2 text/html\n", true},
        {"one boundary is the beginning of the other, and all is well",
         H "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n"
           "--bb\r\n\r\nx\r\n--bb--\r\n--b--",
         "1 multipart/mixed\n1.1 multipart/alternative\n1.1.1 text/plain\n", false},
        {"a line that only begins like the boundary", MIXED "--b\r\n\r\nx\r\n--bogus\r\n" VIRUS "--b--",
         "1 multipart/mixed boundary_prefix\n1.1 text/plain\n1.2~2 text/plain\n1.3~2 text/plain\n", true},
        {"inner boundary is the outer one",
         MIXED "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
         "1 multipart/mixed\n1.1 multipart/mixed duplicate_boundary,missing_boundary\n1.2 text/plain\n", false},
        {"no boundary, but parts",
         H "Content-Type: multipart/mixed\r\n\r\n--xyz\r\nContent-Type: text/html\r\n\r\nx\r\n--xyz--\r\n",
         "1 multipart/mixed missing_boundary\n1.1~2 text/html\n", true},
        {"empty boundary",
         H "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\nContent-Type: text/html\r\n\r\nx\r\n----\r\n",
         "1 multipart/mixed missing_boundary\n1.1 text/html\n", false},
        {"a bare CR before the boundary", MIXED "--b\r\n\r\nx\r--b\r" VIRUS "--b--\r\n",
         "1 multipart/mixed bare_cr\n1.1 text/plain\n1.2~2 text/plain\n1.3~2 text/plain\n", true},
        {"a part before the first boundary", MIXED "Content-Type: text/html\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n",
         "1 multipart/mixed preamble\n1.1~2 text/html\n1.2 text/plain\n", true},
        {"a part behind the last boundary",
         MIXED "--b\r\n\r\ny\r\n--b--\r\n--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n",
         "1 multipart/mixed\n1.1 text/plain\n1.2 text/html\n", false},
        {"fields behind the last boundary", MIXED "--b\r\n\r\ny\r\n--b--\r\nContent-Type: text/html\r\n\r\nx\r\n",
         "1 multipart/mixed preamble\n1.1 text/plain\n1.2~2 text/html\n", true},
    };

    ROWS((struct fix *)*state, t);
}

static void every_reading_of_the_fields(void **state)
{
    static const struct row t[] = {
        {"two types", "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx",
         "1 text/plain conflicting_headers\n1~2 text/html conflicting_headers\n", true},
        {"the same type twice", "Content-Type: text/html\r\nContent-Type: text/HTML\r\n\r\nx",
         "1 text/html duplicate_header\n", false},
        {"two encodings", "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\nWDVP",
         "1 text/plain conflicting_headers\n1~2 text/plain conflicting_headers\n", true},
        {"a bare CR ends the field for some", "Subject: x\rContent-Type: text/html\r\n\r\nx", "1 text/html bare_cr\n",
         false},
        {"a line that is no field", "Content-Transfer-Encoding: base64\r\njunk\r\nContent-Type: text/html\r\n\r\nWDVP",
         "1 text/html bad_header\n1~2 text/plain bad_encoding,early_body\n", true},
        {"an empty line of spaces", "Subject: x\r\n \r\nContent-Type: text/html\r\n\r\nx",
         "1 text/html bad_header\n1~2 text/plain early_body\n", true},
        {"NUL in a field", "Content-Type: text/html\r\nX: a\r\n\r\nx", "1 text/html\n", false},
        {"two subjects", "Subject: a\r\nSubject: b\r\n\r\nx", "1 text/plain duplicate_header\n", false},
        {"an mbox line is nothing", "From a@b.c Thu\r\nContent-Type: text/html\r\n\r\nx", "1 text/html\n", false},
        {"fields without the empty line", MIXED "--b\r\nhello\r\n--b--", "1 multipart/mixed\n1.1 text/plain bad_header\n",
         false},
        {"no slash", "Content-Type: text\r\n\r\nx", "1 text/plain bad_type\n", false},
        {"multipart without a kind", "Content-Type: multipart; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--",
         "1 multipart/mixed bad_type\n1.1 text/plain\n", false},
        {"an encoding nobody knows over base64", "Content-Transfer-Encoding: base-64\r\n\r\nWDVPIVAlQEFQWzRcUFpYNTQo",
         "1 text/plain unknown_encoding\n1~2 text/plain\n", true},
        {"an encoding nobody knows over text",
         "Content-Transfer-Encoding: x-rot13\r\n\r\nHello world out there, how are you", "1 text/plain unknown_encoding\n",
         false},
        {"an encoded multipart",
         "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
         "LS1iDQoNCngNCi0tYi0tDQo=",
         "1 multipart/mixed unknown_encoding\n1.1 text/plain\n", false},
        {"an encoded message",
         "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
         "Q29udGVudC1UeXBlOiB0ZXh0L2h0bWwKCng=",
         "1 message/rfc822 bad_encoding\n1.1 text/html\n", false},
    };
    struct fix *f = *state;

    ROWS(f, t);
    read_it(f, str_lit("Content-Type: text/html\0; x\r\n\r\nx"));
    assert_true(f->m->flaws >> MIME_FLAW_NUL & 1);
    assert_true(f->m->ambiguous);
    assert_string_equal(strchr(f->tree.p, '\n') + 1, "1~2 text/html conflicting_headers,nul\n");
}

static void names(void **state)
{
#define DISPOSITION(x) "Content-Type: application/x\r\nContent-Disposition: attachment; " x "\r\n\r\nx"
    static const struct row t[] = {
        {"plain", DISPOSITION("filename=a.txt"), "1 application/x name=a.txt\n", false},
        {"spaces without quotes", DISPOSITION("filename=my file.txt"), "1 application/x name=my file.txt\n", false},
        {"RFC 2231", DISPOSITION("filename*=utf-8'en'%e2%82%ac.txt"), "1 application/x name=\xe2\x82\xac.txt\n", false},
        {"RFC 2231 in pieces", DISPOSITION("filename*1=\"b.exe\"; filename*0*=''a%20"), "1 application/x name=a b.exe\n",
         false},
        {"RFC 2047", DISPOSITION("filename=\"=?iso-8859-1?Q?=E9_a.exe?=\""), "1 application/x name=\xc3\xa9 a.exe\n", false},
        {"two kinds", DISPOSITION("filename=a.txt; filename*=utf-8''b.exe"),
         "1 application/x name=b.exe other=a.txt bad_name\n", false},
        {"twice", DISPOSITION("filename=a.txt; filename=b.exe"), "1 application/x name=a.txt other=b.exe bad_name\n", false},
        {"name and filename",
         "Content-Type: application/x; name=b.exe\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx",
         "1 application/x name=a.txt other=b.exe bad_name\n", false},
        {"a path", DISPOSITION("filename=\"C:\\\\dir\\a.txt\""), "1 application/x name=a.txt\n", false},
        {"turned direction", DISPOSITION("filename*=utf-8''a%e2%80%aetxt.exe"),
         "1 application/x name=a\xe2\x80\xaetxt.exe bad_name\n", false},
        {"dots and spaces at the end", DISPOSITION("filename=\"a.exe. .\""),
         "1 application/x name=a.exe. . other=a.exe bad_name\n", false},
        {"spaces that hide", DISPOSITION("filename=\"a.txt        .exe\""),
         "1 application/x name=a.txt        .exe bad_name\n", false},
        {"raw western octets", DISPOSITION("filename=\"\xe9.txt\""), "1 application/x name=\xc3\xa9.txt\n", false},
        {"quote without end", DISPOSITION("filename=\"a.exe"), "1 application/x name=a.exe\n", false},
    };
    struct fix *f = *state;

    ROWS(f, t);
    read_it(f, str_lit(DISPOSITION("filename*=''a.exe%00.txt")));
    assert_true(f->m->root->flaws >> MIME_FLAW_BAD_NAME & 1);
    assert_true(str_eq(f->m->root->other_name, str_lit("a.exe")));
}

/* Each of these brings the test virus to some reader: it must be in some body. */
static void the_virus_is_found(void **state)
{
    static const struct {
        const char *what, *message;
    } t[] = {
        {"base64", H VIRUS},
        {"quoted-printable", H "Content-Transfer-Encoding: quoted-printable\r\n\r\nX5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR=\r\n"
                               "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*=0A"},
        {"uuencode in a text",
         "Subject: x\r\n\r\nsee\r\n\r\nbegin 644 a.com\r\n"
         "M6#5/"
         "(5`E0$%06S1<4%I8-30H4%XI-T-#*3=])$5)0T%2+5-404Y$05)$+4%.\r\n75$E625)54RU415-4+49)3$4A)$@K2\"H`\r\n`\r\nend\r\n"},
        {"uuencode as encoding",
         "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a.com\r\n"
         "M6#5/"
         "(5`E0$%06S1<4%I8-30H4%XI-T-#*3=])$5)0T%2+5-404Y$05)$+4%.\r\n75$E625)54RU415-4+49)3$4A)$@K2\"H`\r\n`\r\nend\r\n"},
        {"base64 with junk", H "Content-Transfer-Encoding: base64\r\n\r\n!W*D-V.P:I,VAlQEFQ "
                               "WzRcUFpYNTQo\r\nUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJE\r\n\r\n"
                               "LUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo=trailing"},
        {"base64 after padding", H "Content-Transfer-Encoding: base64\r\n\r\nQUI=\r\n" EICAR_BASE64},
        {"base64 in a quoted word", H "Content-Transfer-Encoding: (x) \"BASE64\" ; y\r\n\r\n" EICAR_BASE64},
        {"second type decides",
         H "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" VIRUS "--b--\r\n"},
        {"second encoding decides", H "Content-Transfer-Encoding: 7bit\r\n" VIRUS},
        {"encoding behind a bare CR", H "X: a\r" VIRUS},
        {"boundary cuts the base64 for one reader only",
         H "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\nContent-Transfer-Encoding: base64\r\n\r\n"
           "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FS\r\n--b\r\n\r\n----a--\r\n--b\r\n" VIRUS "--b--\r\n"},
        {"message in a message, encoded",
         H "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
           "Content-Transfer-Encoding: base64=0A=0A"
           "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo=3D"},
        {"before the first boundary", MIXED "Content-Type: application/x\r\n" VIRUS "--b\r\n\r\n\r\n--b--"},
        {"behind the last boundary", MIXED "--b\r\n\r\n\r\n--b--\r\n" VIRUS},
        {"no empty line", MIXED "--b\r\n" EICAR "\r\n--b--"},
        {"wrong type", H "Content-Type: image/gif\r\n" VIRUS},
        {"type that cannot be read", H "Content-Type: ;;;===\r\n" VIRUS},
        {"multipart without boundary",
         H "Content-Type: multipart/mixed\r\n\r\n--x\r\nContent-Type: a/b\r\n" VIRUS "--x--\r\n"},
        {"boundary that does not occur",
         H "Content-Type: multipart/mixed; boundary=nope\r\n\r\n--x\r\nContent-Type: a/b\r\n" VIRUS "--x--"},
        {"junk in the header section", MIXED "--b\r\nContent-Type: text/plain\r\nwhat is this\r\n" VIRUS "--b--"},
    };
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        read_it(f, str_c(t[i].message));
        if (!any_body_has(f->m, str_lit(EICAR)))
            fail_msg("not found: %s\n%s", t[i].what, f->tree.p);
    }
}

static void broken_encodings_are_said(void **state)
{
    static const struct row t[] = {
        {"base64, one letter too few", "Content-Transfer-Encoding: base64\r\n\r\nWDV", "1 text/plain bad_encoding\n", false},
        {"base64, padding and more", "Content-Transfer-Encoding: base64\r\n\r\nQQ==QQ==", "1 text/plain bad_encoding\n",
         false},
        {"base64, other letters", "Content-Transfer-Encoding: base64\r\n\r\nWD-V", "1 text/plain bad_encoding\n", false},
        {"base64, as it should be", "Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\nQQ==\r\n", "1 text/plain\n", false},
        {"quoted-printable, no hex", "Content-Transfer-Encoding: quoted-printable\r\n\r\na=ZZ",
         "1 text/plain bad_encoding\n", false},
        {"uuencode without end", "\r\nbegin 644 x\r\n#0V%T\r\n",
         "1 text/plain\n1.1 application/octet-stream name=x bad_encoding\n", false},
        {"uuencode", "\r\nbegin 644 x\r\n#0V%T\r\n`\r\nend\r\n", "1 text/plain\n1.1 application/octet-stream name=x\n",
         false},
        {"a sentence is no uuencode", "\r\nbegin with me and end\r\n", "1 text/plain\n", false},
    };
    struct fix *f = *state;

    ROWS(f, t);
    assert_string_equal(mime_flaw_name(MIME_FLAW_NUL), "nul");
    read_it(f, str_lit("\r\nbegin 644 x\r\n#0V%T\r\n`\r\nend\r\n"));
    assert_true(str_eq(f->m->root->first->body, str_lit("Cat")));
}

static void texts(void **state)
{
    static const struct {
        const char *message, *text;
        bool bad;
    } t[] = {
        {"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe9\x80", "\xc3\xa9\xe2\x82\xac", false},
        {"\r\n\xe9", "\xc3\xa9", false},
        {"\r\n\xc3\xa9", "\xc3\xa9", false},
        {"Content-Type: text/plain; charset=utf-8\r\n\r\na\xff"
         "b",
         "a\xef\xbf\xbd"
         "b",
         true},
        {"Content-Type: text/plain; charset=utf-8\r\n\r\n\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", true},
        {"Content-Type: text/plain; charset=us-ascii\r\n\r\n\xe9", "\xc3\xa9", true},
        {"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xc1", "\xd0\xb0", false},
        {"Content-Type: text/plain; charset=utf-7\r\n\r\n+AOk-", "\xc3\xa9", false},
        {"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$\"\x1b(B", "\xe3\x81\x82", false},
        {"Content-Type: text/plain; charset=\"x/../../evil\"\r\n\r\na", "a", true},
        {"Content-Type: text/html\r\n\r\n<meta charset=koi8-r>\xc1", "<meta charset=koi8-r>\xd0\xb0", false},
        {"\r\n\xef\xbb\xbfmarked", "marked", false},
    };
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        read_it(f, str_c(t[i].message));
        if (!str_eq(mime_text(f->m, f->m->root), str_c(t[i].text)) || (f->m->flaws >> MIME_FLAW_BAD_CHARSET & 1) != t[i].bad)
            fail_msg("%s: %.*s", t[i].message, STR(f->m->root->text));
    }
}

static void words(void **state)
{
    static const char *const t[][2] = {
        {"plain", "plain"},
        {"=?utf-8?Q?a_b=5Fc?=", "a b_c"},
        {"=?utf-8?b?w6k=?= =?utf-8?b?w6k=?=", "\xc3\xa9\xc3\xa9"},
        {"=?utf-8?q?=c3?=\r\n =?utf-8?q?=a9?=", "\xc3\xa9"}, /* a character cut in two */
        {"=?utf-8*en?q?x?= y", "x y"},
        {"a=?utf-8?q?x?=b", "axb"},
        {"=?utf-8?q?open", "=?utf-8?q?open"},
        {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
        {"=?iso-8859-1?q?=e9?= =?utf-8?q?=c3=a9?=", "\xc3\xa9\xc3\xa9"},
        {"=?utf-8?Q?what?\?=", "what?"},
        {"\xe9", "\xc3\xa9"},
    };
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct str got = mime_decode_words(&f->a, str_c(t[i][0]));

        if (!str_eq(got, str_c(t[i][1])))
            fail_msg("%s: %.*s", t[i][0], STR(got));
    }
    read_it(f, str_lit("From x\r\njunk\r\nSubject: =?utf-8?q?a=20b?=\r\n\r\n"));
    assert_true(str_eq(mime_header(f->m, str_lit("subject")), str_lit("a b")));
}

/* Limits: the tree ends, and says so. */
static void limits(void **state)
{
    struct fix *f = *state;
    struct buf b = BUF(64 << 20);

    buf_add(&b, str_lit(MIXED));
    for (int i = 0; i < MIME_PARTS + 10; i++)
        buf_add(&b, str_lit("--b\r\n\r\nx\r\n"));
    read_it(f, buf_str(&b));
    assert_true(f->m->cut && f->m->n_parts == MIME_PARTS && f->m->flaws >> MIME_FLAW_TOO_MANY & 1);
    buf_clear(&b);
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    read_it(f, buf_str(&b));
    assert_true(f->m->cut && f->m->flaws >> MIME_FLAW_TOO_DEEP & 1);
    assert_int_equal(f->m->n_parts, MIME_DEPTH);
    buf_clear(&b);
    for (int i = 0; i < 50000; i++)
        buf_addf(&b, "X-%d: y\r\n", i);
    read_it(f, buf_str(&b));
    assert_true(f->m->cut && str_eq(f->m->cut_why, str_lit("too many header fields")));
    buf_done(&b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(structure),
        T(every_reading_of_the_boundary),
        T(every_reading_of_the_fields),
        T(names),
        T(the_virus_is_found),
        T(broken_encodings_are_said),
        T(texts),
        T(words),
        T(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
