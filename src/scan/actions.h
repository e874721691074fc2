/*
 * What the mail policy does with a message by an engine's verdict: marks, other ways, ends. Shared by the stages of engines.
 * Everything is recorded in the message's outcome, patch and `carried`.
 */
#ifndef SCAN_ACTIONS_H
#define SCAN_ACTIONS_H

#include "policy/message.h"
#include "scan/archive.h"

/* The mail policy whose rows a stage obeys: the one the message was split by; where it was not split (released from a
 * quarantine), DEFAULT of its table. NULL never. */
const struct conf_mail_policy *action_policy(struct message *m);
/* Is a stage on in it? `choice` = its row; what `default` means in DEFAULT itself: on for incoming mail, and, when
 * `outgoing`, for outgoing mail too. */
bool action_stage_on(const struct message *m, uint64_t choice, bool outgoing);

/* The rows POLICY_VERDICT of spec/settings/mail_policy_engines.def. */
struct spam_actions {
    uint64_t action; /* SPAM_... */
    struct str tag, header, host, recipient;
    uint64_t archive;
};
enum { SPAM_DELIVER, SPAM_DROP, SPAM_BOUNCE, SPAM_QUARANTINE };
#define SPAM_ACTIONS(p, verdict) \
    { \
        (p)->verdict##_action, (p)->verdict##_tag, (p)->verdict##_header, (p)->verdict##_host, (p)->verdict##_recipient, \
            (p)->verdict##_archive \
    }

/* The rows POLICY_VIRUS. */
struct virus_actions {
    uint64_t action; /* AV_... */
    uint64_t drop_attachments;
    struct str tag, header, host, recipient;
    struct strs notify;
    uint64_t archive;
};
enum { AV_DELIVER, AV_ATTACH, AV_DROP, AV_QUARANTINE };
#define VIRUS_ACTIONS(p, verdict) \
    { \
        (p)->verdict##_action, (p)->verdict##_drop_attachments, (p)->verdict##_tag, (p)->verdict##_header, \
            (p)->verdict##_host, (p)->verdict##_recipient, (p)->verdict##_notify, (p)->verdict##_archive \
    }

/* Text before the subject, a header "Name: value"; either may be empty. */
void action_mark(struct message *m, struct str tag, struct str header);
/* Another next hop, another recipient; either may be empty. `by`: word of the log. The message for another recipient is a
 * new one, which goes on at `resume`. */
void action_reroute(struct message *m, struct str host, struct str recipient, const char *by, enum resume resume);
/* Spam, graymail and blocklists: all of it. `verdict`: word for the spam quarantine ("positive", "marketing" ...), `stage`:
 * who drops, for the log (0 CASE, 1 antivirus). Goes on at `resume` where it is delivered to somebody else. `archive`: the
 * one that gets a copy when the rows say so. */
void action_spam(struct message *m, const struct spam_actions *a, enum archive archive, struct str verdict, double score,
                 const char *by, enum resume resume);
/* Does the spam quarantine take it? Recipients outside its domains become a message of their own, which goes on at `resume`;
 * false when nobody is left. */
bool action_spam_held(struct message *m, enum resume resume);

/* What was found, for texts and holds. */
struct virus_finding {
    uint64_t result;          /* enum virus_result */
    struct str virus;         /* name, or why unscannable */
    struct str parts;         /* lines: paths or names of the parts it was found in */
    struct mime_part **items; /* these parts, of the tree that was scanned; some may be there twice */
    size_t n_items;
    struct str original; /* the message before it was repaired, for the archive; empty = as it is */
};
/* Takes the attachments in question out of the message; in place of each comes a text: the first text resource of kind
 * antivirus_container, else one of ours. The text of the message itself is no attachment and stays. How many went. */
size_t action_drop_infected(struct message *m, const struct virus_finding *f);
void action_virus(struct message *m, const struct virus_actions *a, const struct virus_finding *f);

#endif
