/*
 * Adaptive outbreak rules: what mail of a new outbreak usually looks like. See outbreak.h.
 *
 * Called by stage_outbreak.c. Owns nothing. A table of signs, each with a level; the highest that is there decides. Signs
 * look at names, types and URLs as we read them, never at one reading alone: `other_name` counts as much as `name`.
 */
#include "scan/outbreak.h"

static bool one_of(struct str word, const char *const *list)
{
    for (; *list; list++)
        if (str_eqi(word, str_c(*list)))
            return true;
    return false;
}

static const char *const programs[] = {"exe", "scr", "com", "pif", "cpl",  "msi", "msp",
                                       "dll", "jar", "lnk", "apk", "appx", "xll", NULL};
static const char *const scripts[] = {"js",  "jse", "vbs", "vbe", "wsf", "wsh", "hta", "ps1",
                                      "bat", "cmd", "sct", "reg", "chm", "url", NULL};
static const char *const images[] = {"iso", "img", "vhd", "vhdx", "one", "ace", NULL};
static const char *const macros[] = {"docm", "dotm", "xlsm", "xltm", "xlam", "xlsb",
                                     "pptm", "potm", "ppam", "ppsm", "sldm", NULL};
static const char *const documents[] = {"pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "jpg", "jpeg",
                                        "png", "gif", "txt",  "htm", "html", "zip", "mp3",  NULL};

static bool runs(struct str name, const struct mime_part *p)
{
    struct str ending = outbreak_ending(name);

    return one_of(ending, programs) || one_of(ending, scripts) ||
           str_find_str(p->detected, str_lit("x-dosexec")) < p->detected.n ||
           str_find_str(p->detected, str_lit("x-executable")) < p->detected.n;
}

/* invoice.pdf.exe, also with blanks before the last dot. */
static bool two_endings(struct str name)
{
    struct str front = str_trim(str_first(name, str_find_last(name, '.')));

    return front.n < name.n && one_of(outbreak_ending(front), documents);
}

/* Right-to-left override: the name is shown with its ending in the middle. */
static bool turned(struct str name)
{
    return str_find_str(name, str_lit("\xe2\x80\xae")) < name.n;
}

static bool is_macro(const struct mime_part *p, struct str name)
{
    return one_of(outbreak_ending(name), macros) || (p->member && str_endsi(name, str_lit("vbaProject.bin")));
}

static bool has_runnable_member(const struct mime_part *archive)
{
    for (const struct mime_part *p = archive->first; p; p = p->next)
        if (runs(p->name, p) || one_of(outbreak_ending(p->name), images))
            return true;
    return false;
}

/* --- signs of attachments ------------------------------------------------------------------------------------------------
 */

struct sign {
    uint64_t level;
    const char *rule, *type;
};

static struct sign sign_of(const struct mime_part *p, struct str name)
{
    if (runs(name, p) && (two_endings(name) || turned(name) || turned(p->other_name)))
        return (struct sign){5, "ADAPTIVE_DISGUISE", "Disguised program"};
    if (runs(name, p))
        return (struct sign){4, one_of(outbreak_ending(name), scripts) ? "ADAPTIVE_SCRIPT" : "ADAPTIVE_PROGRAM",
                             one_of(outbreak_ending(name), scripts) ? "Script" : "Program"};
    if (p->archive && has_runnable_member(p))
        return (struct sign){4, "ADAPTIVE_PACKED", "Packed program"};
    if (one_of(outbreak_ending(name), images))
        return (struct sign){4, "ADAPTIVE_IMAGE", "Disk image"};
    if (is_macro(p, name))
        return (struct sign){3, "ADAPTIVE_MACRO", "Macro"};
    if (p->encrypted && p->archive)
        return (struct sign){3, "ADAPTIVE_ENCRYPTED", "Encrypted archive"};
    return (struct sign){0, "", ""};
}

static void look_at(const struct mime_part *p, struct str name, struct outbreak_threat *t)
{
    struct sign s = sign_of(p, name);

    if (s.level > t->level)
        *t = (struct outbreak_threat){.level = s.level,
                                      .viral = true,
                                      .rule = str_c(s.rule),
                                      .category = str_lit("Viral"),
                                      .type = str_c(s.type),
                                      .matched = name};
}

/* --- signs of URLs
 * ---------------------------------------------------------------------------------------------------------- */

static bool is_number(struct str host)
{
    bool digit = false;

    for (size_t i = 0; i < host.n; i++) {
        if (!ascii_digit(host.p[i]) && host.p[i] != '.')
            return false;
        digit |= ascii_digit(host.p[i]);
    }
    return digit;
}

/* The text of a link shows another host than the one it leads to. */
static bool lies(const struct mime_url *u)
{
    struct str shown = str_trim(u->shown), shown_host, host = outbreak_host(u->url);

    if (!str_startsi(shown, str_lit("http")) && !str_startsi(shown, str_lit("www.")))
        return false;
    shown_host = outbreak_host(shown);
    if (str_startsi(shown_host, str_lit("www.")))
        shown_host = str_from(shown_host, 4);
    return str_find(shown_host, '.') < shown_host.n && !str_endsi(host, shown_host);
}

static void look_at_url(const struct mime_url *u, struct outbreak_threat *t)
{
    struct str host = outbreak_host(u->url);
    bool number = is_number(host), other = lies(u);
    uint64_t level = number && other ? 4 : other ? 3 : number ? 2 : 0;

    if (level > t->level)
        *t = (struct outbreak_threat){.level = level,
                                      .rule = other ? str_lit("ADAPTIVE_LINK") : str_lit("ADAPTIVE_ADDRESS"),
                                      .category = str_lit("Phish"),
                                      .type = other ? str_lit("Disguised link") : str_lit("Link to an address"),
                                      .matched = u->url};
}

struct outbreak_threat outbreak_adaptive(struct message *m)
{
    struct outbreak_threat t = {0};
    struct mime *mime = message_content(m);
    struct mime_urls urls;

    for (const struct mime_part *p = mime->all; p; p = p->all_next) {
        if (p->multipart || outbreak_bypassed(m, p) || (!p->attachment && !p->member))
            continue;
        look_at(p, p->name, &t);
        look_at(p, p->other_name, &t);
    }
    urls = mime_urls(mime);
    for (size_t i = 0; i < urls.n; i++)
        look_at_url(&urls.items[i], &t);
    return t;
}
