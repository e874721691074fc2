/*
 * Tokens of the full text index of tracking, and the FTS5 tokenizer that takes them as they are.
 *
 * The index is one posting list a token; a message has a token for each trigram of its subject, for its sender and its
 * recipients (numbers of words), and for each fact that is searched exactly (a hash of 48 bits). A document is a sequence of
 * [length][octets]; in a query every quoted string is one token.
 */
#ifndef STORE_TRACK_TOKENS_H
#define STORE_TRACK_TOKENS_H

#include "base/buf.h"

#include <sqlite3.h>

enum { TOKEN_MAX = 24 };

/* Kinds of exact facts; the letter is part of the hash. */
enum track_kind {
    KIND_MESSAGE_ID = 'm',
    KIND_UID = 'U',
    KIND_IP = 'i',
    KIND_DOMAIN = 'd', /* of the sending host: the whole name and each domain above it */
    KIND_REPLY_TO = 'y',
    KIND_SHA256 = 'k',
    KIND_USER = 'u',
    KIND_POLICY = 'p',
    KIND_FILTER = 'f',
    KIND_QUARANTINE = 'q',
    KIND_GROUP = 'g',
    KIND_COUNTRY = 'c',
    KIND_LISTENER = 'l',
    KIND_VIRUS = 'v'
};

/* Makes the tokenizer `postern` known to this connection; false when FTS5 is missing. */
bool track_tokenizer(sqlite3 *db);

/* The text in the form that is compared: small letters (ASCII, Latin, Greek, Cyrillic); octets that are no UTF-8 stay. */
void track_fold_case(struct str text, struct buf *out);

/* A Message-ID without blanks and angle brackets. */
struct str track_bare_id(struct str id);

/* Each adds tokens to a document. `folded` as track_fold_case() leaves it. */
void track_add_trigrams(struct buf *doc, char prefix, struct str folded);
void track_add_number(struct buf *doc, char prefix, uint64_t number);
void track_add_exact(struct buf *doc, enum track_kind kind, struct str value);
void track_add_domains(struct buf *doc, struct str host);

/* The same as a condition of MATCH, without the AND: quoted tokens. track_match_trigrams() joins those that cover `folded`
 * with AND (begins: anchored at the start); false when it is too short to say anything. */
bool track_match_trigrams(struct buf *match, char prefix, struct str folded, bool begins);
void track_match_number(struct buf *match, char prefix, uint64_t number);
void track_match_exact(struct buf *match, enum track_kind kind, struct str value);

#endif
