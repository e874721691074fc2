/*
 * The structure of a message (RFC 2045-2049, 2183, 2231, 5322) as any mail client might read it: a tree of parts with the
 * places of their octets, and everything about it that is ambiguous or broken.
 *
 * Called by policy and scan. Works on a view of the octets, which must outlive the tree; memory is the arena's. Never fails
 * on input: what cannot be read is a part with reasons in `malformed`. Bounded by the limits below; beyond one the tree ends
 * there and says so (`cut`), and the message counts as unscannable. Where readers differ (two boundaries, conflicting
 * fields, a header section that may end at two places) every reading is in the tree: the first as usual, the others marked
 * `alternative` behind it with "~2" in their path, so that whoever looks at all parts sees what any reader sees. Such a
 * message is ambiguous, as is one whose structure GMime sees differently (scan/gmime.h).
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/arena.h"
#include "mail/header.h"

enum { MIME_PARTS = 10000, MIME_DEPTH = 100, MIME_HEADERS = 20000, MIME_HEADER_OCTETS = 1 << 20, MIME_DECODED = 256 << 20 };

/* Why a message or part is malformed: a bit each, words for `trace` by mime_flaw_name(). */
enum mime_flaw {
#define FLAW(name, word, help) MIME_FLAW_##name,
#include "spec/mime_flaws.def"
#undef FLAW
    MIME_FLAWS
};

struct mime_part {
    struct str path;        /* "1", "1.2", "1.2/a.zip/b.doc" for a member of an archive */
    struct str type;        /* "text/plain", lower case; text/plain when missing */
    struct str charset;     /* lower case, empty = none given */
    struct str name;        /* decoded file name in UTF-8 (RFC 2231, RFC 2047 in parameters too); empty = none */
    struct str other_name;  /* what another reading would show, when it differs; empty = none */
    struct str disposition; /* "attachment", "inline", empty */
    struct str content_id;
    struct str encoding; /* "base64", ..., lower case */
    struct str headers;  /* raw header section of the part, view */
    struct str raw;      /* body as it lies in the message, view (empty for members of archives; `inside`: see below) */
    struct str body;     /* decoded octets; made by mime_body(), use that */
    struct str text;     /* text parts: UTF-8; made by mime_text(), use that */
    struct str detected; /* type found by looking at the octets (libmagic), set by the content stage; empty = not looked */
    struct str unscannable; /* why its inside could not be read; empty = it could */
    struct str boundary;    /* multipart: the one that this reading goes by */
    uint64_t size;          /* decoded octets, known once mime_body() was called */
    uint64_t flaws;         /* bits 1 << MIME_FLAW_... */
    unsigned depth;
    bool multipart, message; /* has children */
    bool attachment;         /* shown as a file: disposition attachment, or a name, or not text and not multipart */
    bool encrypted;          /* the part, or a member of it, asks for a passphrase */
    bool archive, member;    /* is an archive; comes out of one */
    bool decoded, texted;    /* body, text are made */
    bool alternative;        /* what another reader would see of octets that parts before it hold as well */
    bool inside;             /* comes out of an encoded container: headers and raw are no views into the message */
    bool macros;             /* a document with macros (set by the content stage) */
    bool script;             /* a document with script or launch actions (set by the content stage) */
    struct mime_part *parent, *first, *last,
        *next;                  /* tree in the order of the message; other readings of the root follow it */
    struct mime_part *all_next; /* every part in one list, parents first; new ones come at its end */
    unsigned n_children;
};

struct mime {
    struct arena *arena;
    struct str octets;      /* the message */
    struct str headers;     /* its header section, view */
    struct mime_part *root; /* NULL never: at least one part */
    struct mime_part *all;  /* list by all_next, root first */
    size_t n_parts;
    uint64_t flaws;   /* of the message: its own and those of all parts */
    bool cut;         /* a limit was reached */
    bool ambiguous;   /* readings differ */
    uint64_t decoded; /* octets of all bodies made so far, at most MIME_DECODED */
    struct str cut_why;
    /* the reader's own */
    struct mime_part *all_last;
    uint64_t budget; /* octets that may still be looked at */
    size_t n_fields;
    unsigned reading; /* above 0: parts made now are alternatives */
};

/* Reads the structure. NULL only when the arena has no room for the first part. */
struct mime *mime_read(struct arena *a, struct str message);
/* Decoded body of a part (base64, quoted-printable, uuencode inside text, 7bit...); a flaw of the encoding sets its bit. */
struct str mime_body(struct mime *m, struct mime_part *p);
/* Text of a text part as UTF-8, whatever its charset says; undecodable octets become U+FFFD. Not text: empty. */
struct str mime_text(struct mime *m, struct mime_part *p);
/* Any octets of that character set (name in any case, empty = not said) as UTF-8; *bad is set when some did not fit. */
struct str mime_to_utf8(struct arena *a, struct str octets, struct str charset, bool *bad);
/* Members of a winmail.dat (application/ms-tnef, MS-OXTNEF): adds them; false when the octets are no TNEF. */
bool mime_tnef(struct mime *m, struct mime_part *p);
/* Visible text of HTML: tags off, entities decoded, comments and styles out. */
struct str mime_html_text(struct arena *a, struct str html);
/* Reads the decoded octets of a part as a message of its own (an attached .eml of another type): children of the part. */
void mime_read_inside(struct mime *m, struct mime_part *p);
/* Sets a flaw of a part and of the message. */
void mime_flaw(struct mime *m, struct mime_part *p, enum mime_flaw f);
/* A limit was reached: the message counts as unscannable. The first reason stays. */
void mime_cut(struct mime *m, struct str why);
/* Room for n octets of a decoded body or a member; NULL (and cut) beyond MIME_DECODED or the arena. */
char *mime_room(struct mime *m, size_t n);
/* Adds a member found inside an archive part, after its siblings; NULL beyond the limits. */
/* The name is that of the archive, with its folders (UTF-8 or octets); the path gets all of it, `name` the last part. */
struct mime_part *mime_add_member(struct mime *m, struct mime_part *archive, struct str name, struct str body);
/* The text part that a reader sees first: text/plain, else text/html; NULL = none. */
struct mime_part *mime_first_text(const struct mime *m);
const char *mime_flaw_name(enum mime_flaw f);
/* First header field decoded for show and match: unfolded, encoded words to UTF-8; empty when missing. */
struct str mime_header(struct mime *m, struct str name);
/* Decodes encoded words of a value (RFC 2047), tolerant as clients are. */
struct str mime_decode_words(struct arena *a, struct str value);

/* URLs in the text and HTML of a message: as written and normalised (scheme, punycode host, no tricks). */
struct mime_url {
    struct str url;   /* normalised */
    struct str shown; /* link text of an anchor, empty = none */
    struct str place; /* view into the text where it stands: text or HTML of `part` */
    struct mime_part *part;
};
struct mime_urls {
    const struct mime_url *items;
    size_t n;
};
enum { MIME_URLS = 5000 };
struct mime_urls mime_urls(struct mime *m);

#endif
